# SPDX-License-Identifier: Apache-2.0
"""Compiles gpu_library.cpp with driver.cpp, and gives a bundle engines that it runs."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fmmp_runtime.bundle.engines import EngineSpec
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.files import sha256
from tests.cpp.build import ROOT, build_cache

HERE = Path(__file__).parent
FAKED = {
    "NvInferImpl.h": {"VRuntime": "apiv::VRuntime", "VCudaEngine": "apiv::VCudaEngine"}
    | {"VExecutionContext": "apiv::VExecutionContext"},
    "NvInferRuntime.h": {"IPluginRegistry": "IPluginRegistry"},
    "NvInferRuntimeCommon.h": {"IPluginRegistry": "IPluginRegistry"},
}


@dataclass(frozen=True)
class FakeGpu:
    """A folder that is all at once: of the driver, of TensorRT, and of the operator library."""

    folder: Path
    major: int  # of TensorRT's headers

    @property
    def version(self) -> str:
        return f"{self.major}.7.1.2"

    @property
    def plugin(self) -> str:
        return sha256(self.folder / "libfmmp_tensorrt.so")


def compile_fake(built: Path, folder: Path) -> FakeGpu:
    """Skips where the runtime was built without TensorRT's headers."""
    cache = build_cache(built)
    headers, cuda = cache.get("FMMP_TENSORRT_HEADERS", ""), cache.get("FMMP_CUDA_HEADERS", "")
    if not headers:
        pytest.skip("the runtime was built without TensorRT's headers: run `make nvidia`")
    (folder / "stubs.h").write_text(stubs(Path(headers)))
    target = folder / "libfmmp_tensorrt.so"
    includes = [f"-I{path}" for path in (folder, ROOT / "trt_plugins" / "include")]
    system = [argument for path in (headers, *cuda.split(";")) for argument in ("-isystem", path)]
    flags = ("-std=c++17", "-O0", "-fPIC", "-shared", "-fvisibility=hidden", "-w")
    sources = (HERE / "gpu_library.cpp", HERE / "driver.cpp")
    subprocess.run(["c++", *flags, *includes, *system, *sources, "-o", target], check=True)
    found = re.search(
        r"define (?:NV_TENSORRT_MAJOR|TRT_MAJOR_ENTERPRISE) +(\d+)",
        (Path(headers) / "NvInferVersion.h").read_text(),
    )
    assert found is not None
    major = int(found[1])
    for name in ("libcuda.so.1", f"libnvinfer.so.{major}"):
        (folder / name).symlink_to(target.name)  # one library: they share the stream
    return FakeGpu(folder, major)


def stubs(headers: Path) -> str:
    """Classes that override every pure virtual method of TensorRT's interfaces, and end the process in it."""
    text = "#include <cstdlib>\n#include <NvInferRuntime.h>\nnamespace nvinfer1 {\n"
    done = set()
    for header, classes in FAKED.items():
        content = re.sub(r"//.*", "", (headers / header).read_text())
        for name, base in classes.items():
            body = re.search(rf"\nclass {name}(?: : public VRoot)?\s*\{{(.*?)\n\}};", content, re.DOTALL)
            if body is None or name in done:
                continue
            done.add(name)
            methods = re.findall(r"virtual ([^;{}]*?)= 0;", body[1], re.DOTALL)
            # Without `override`: a few are there only under a macro.
            lines = [f"{re.sub(r' = [^,)]+', '', method).strip()} {{ std::abort(); }}" for method in methods]
            text += f"class Stub{name[1:]} : public {base} {{\npublic:\n" + "\n".join(lines) + "\n};\n"
    return text + "}\n"


def add_engines(folder: Path, gpu: FakeGpu, **changes: Any) -> Path:  # noqa: ANN401  # fields of EngineSpec
    """Write engines for the fake GPU; `plan` replaces their content."""
    bundle = Bundle.open(folder)
    (folder / "engines").mkdir(exist_ok=True)
    plan, engines = changes.pop("plan", None), []
    for graph in ("support", "query"):
        spec = bundle.model.graphs[graph]
        lines = [graph]
        for mode, tensors in (("input", spec.inputs), ("output", spec.outputs)):
            lines += [f"{mode} {t.name} {t.dtype} {' '.join(map(str, t.shape))}" for t in tensors]
        content = (plan or "\n".join(lines) + "\n").encode()
        engine = EngineSpec(
            graph=graph,
            backend="tensorrt",
            version=gpu.version,
            arch="sm86",
            plugin=gpu.plugin,
            sha256=hashlib.sha256(content).hexdigest(),
            built_from=bundle.built_from(graph),
            plugin_inside=False,
        )
        engines.append(replace(engine, **changes))
        (folder / engines[-1].file).write_bytes(content)
    replace_engines(folder, engines)
    return folder


def replace_engines(folder: Path, engines: list[EngineSpec]) -> None:
    """List these engines in model.json, and no others."""
    replace(Bundle.open(folder).model, engines=engines).write(folder)


def variables(gpu: FakeGpu, environment: dict[str, str]) -> dict[str, str]:
    """With which a process sees the fake GPU; `environment` is that of build.py."""
    operators = gpu.folder / "libfmmp_onnxruntime.so"
    if not operators.exists():
        shutil.copy(Path(environment["FMMP_LIBRARY_DIR"]) / operators.name, operators)
    return {**environment, "LD_LIBRARY_PATH": str(gpu.folder), "FMMP_LIBRARY_DIR": str(gpu.folder)}
