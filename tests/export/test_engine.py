# SPDX-License-Identifier: Apache-2.0
"""Engines come into a bundle, are found again, and are built again when they no longer fit."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fmmp_export.cli import export as cli
from fmmp_export.engines import builder
from fmmp_export.engines import process as engine_process
from fmmp_export.engines.engine import EngineError, Made, add_engines, find_builder
from fmmp_export.engines.graph import prepare
from fmmp_export.engines.process import Answer, Job
from fmmp_export.graph.operator import FMMP, INPUTS, NVIDIA, OperatorName, definition
from fmmp_runtime.backends import gpu
from fmmp_runtime.bundle.engines import MODULES, EngineKey
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.files import sha256
from tests.fakes.bundle import write_bundle

ASK = builder._ask
LEVELS = [[3, 4], [1, 2]]
FAKE = Path(__file__).parents[1] / "fakes" / "tensorrt_builder.py"
RTX = """
__version__ = "{version}"
ComputeCapability = enum.Enum("ComputeCapability", ["NONE", "CURRENT", "SM120", "SM75", "SM86"])
NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", {{"STRONGLY_TYPED": 1}})
"""
TENSORRT = """
__version__ = "11.4.0.106"
class NetworkDefinitionCreationFlag: pass
def init_libnvinfer_plugins(logger, namespace): Builder.load_nvidia = True
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Python packages with TensorRT-RTX, and a built operator."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("FMMP_LIBRARY_DIR", str(tmp_path / "lib"))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libfmmp_tensorrt.so").write_bytes(b"the operator's machine code")
    install(folder, "tensorrt_rtx", RTX.format(version="1.7.1"))
    monkeypatch.setattr(builder, "_ask", ask_here)
    return folder


def ask_here(backend: str, job: Job | None) -> tuple[Answer, str]:
    """The same without a process for each question, of a second each."""
    module = MODULES[backend]
    sys.modules.pop(module, None)
    importlib.invalidate_caches()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(engine_process, "trt", importlib.import_module(module))
        answer = engine_process.build(job) if job else engine_process.probe()
    sys.modules.pop(module)
    return Answer(**json.loads(json.dumps(dataclasses.asdict(answer)))), said.getvalue()


@pytest.fixture
def processes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones after all."""
    monkeypatch.setattr(builder, "_ask", ASK)


def install(site: Path, module: str, product: str) -> None:
    (site / f"{module}.py").write_text(FAKE.read_text() + product)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose query graph has one node of our operator, with its definition; the others have none."""
    folder = write_bundle(tmp_path / "bundle")
    edit(folder, "query", lambda model: add_operator(model, FMMP))
    return folder


def edit(folder: Path, graph: str, change: Any) -> None:  # noqa: ANN401  # callable
    """Change a graph and take the bundle's hashes anew, as another export does."""
    file = folder / f"{graph}.onnx"
    model = onnx.load(file, load_external_data=False)
    change(model)
    file.write_bytes(model.SerializeToString())
    content = json.loads((folder / "model.json").read_text())
    content["files"][file.name] = sha256(file)
    (folder / "model.json").write_text(json.dumps(content))


def add_operator(model: onnx.ModelProto, name: OperatorName) -> None:
    sizes = numpy_helper.from_array(np.array(LEVELS, np.int32), "spatial_shapes")
    model.graph.initializer.append(sizes)
    node = helper.make_node(name.op_type, INPUTS, ["output"], domain=name.domain, **name.attributes)
    model.graph.node.append(node)
    model.functions.append(definition(name))


def add_node(name: str) -> Any:  # noqa: ANN401  # callable
    return lambda model: model.graph.node.append(helper.make_node("Identity", ["query"], ["other"], name))


def add(bundle: Path, archs: Sequence[str] = ("sm86",), backend: str = "tensorrt-rtx") -> list[Made]:
    return list(add_engines(bundle, find_builder(backend, archs)))


def built(made: list[Made]) -> list[str]:
    return [engine.spec.graph for engine in made if engine.seconds is not None]


def plan(made: Made) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(made.path.read_bytes().splitlines()[0])
    return content


@pytest.mark.usefixtures("site")
def test_engines_are_listed_and_found(bundle: Path) -> None:
    made = add(bundle, ["sm86", "sm120"])
    assert built(made) == ["support", "query", "pair"] * 2
    opened = Bundle.open(bundle)
    library = sha256(bundle.parent / "lib" / "libfmmp_tensorrt.so")
    names = {path.name for path in (bundle / "engines").iterdir()}
    assert names == {
        f"{graph}-1.7.1-{arch}-{plugin}.engine"
        for graph, plugin in (("pair", "noplugin"), ("support", "noplugin"), ("query", library[:12]))
        for arch in ("sm86", "sm120")
    }
    key = EngineKey(graph="query", backend="tensorrt-rtx", version="1.7.1", arch="sm120", plugin=library)
    assert opened.engine(key)[0].file == f"engines/query-1.7.1-sm120-{library[:12]}.engine"
    assert opened.engine(dataclasses.replace(key, graph="pair"))[0].file.endswith(
        "/pair-1.7.1-sm120-noplugin.engine"
    )
    assert [engine.plugin_inside for engine in opened.model.engines] == [
        engine.graph == "query" for engine in opened.model.engines
    ]


@pytest.mark.usefixtures("site")
def test_each_build_is_strongly_typed_exact_and_for_its_gpu(bundle: Path) -> None:
    for made in add(bundle, ["sm86", "sm75"]):
        content = plan(made)
        assert content["network flags"] == 2  # STRONGLY_TYPED
        assert content["config flags"] == []  # no TF32
        assert content["arch"] == made.spec.arch.upper()


@pytest.mark.usefixtures("site")
def test_what_fits_is_not_built_again(bundle: Path) -> None:
    add(bundle)
    before = (bundle / "model.json").read_bytes()
    assert built(add(bundle)) == []
    assert (bundle / "model.json").read_bytes() == before
    assert built(add(bundle, ["sm86", "sm75"])) == ["support", "query", "pair"]  # those for sm75


@pytest.mark.usefixtures("site")
def test_another_operator_library_replaces_the_engines_with_the_old_one(bundle: Path) -> None:
    old = next(made.path for made in add(bundle) if made.spec.graph == "query")
    (bundle.parent / "lib" / "libfmmp_tensorrt.so").write_bytes(b"better machine code")
    made = add(bundle)
    assert built(made) == ["query"]  # the others hold no operator
    assert not old.exists()
    assert len(Bundle.open(bundle).model.engines) == 3
    assert sorted(path.name for path in (bundle / "engines").iterdir()) == sorted(
        engine.path.name for engine in made
    )


def test_another_version_stands_beside(bundle: Path, site: Path) -> None:
    add(bundle)
    install(site, "tensorrt_rtx", RTX.format(version="1.8.0.1"))
    assert built(add(bundle)) == ["support", "query", "pair"]
    assert len(Bundle.open(bundle).model.engines) == 6


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_damaged_engine_is_built_again_and_no_one_else_suffers(bundle: Path, damage: str) -> None:
    engine = next(made for made in add(bundle) if made.spec.graph == "support")
    content = engine.path.read_bytes()
    engine.path.unlink()
    if damage == "changed":
        engine.path.write_bytes(content[:-1])
    opened = Bundle.open(bundle)  # other backends don't need it
    with pytest.raises(EngineError, match=rf"{damage}.*: `fmmp-export --bundle .* --arch sm86` builds it"):
        opened.engine(engine.spec.key)
    assert built(add(bundle)) == ["support"]
    assert engine.path.read_bytes() == content


@pytest.mark.usefixtures("site")
def test_a_graph_that_changed_gets_a_new_engine(bundle: Path) -> None:
    old = next(made for made in add(bundle) if made.spec.graph == "pair")
    edit(bundle, "pair", add_node("new"))
    with pytest.raises(EngineError, match=r"was built from another pair\.onnx"):
        Bundle.open(bundle).engine(old.spec.key)
    new = next(made for made in add(bundle) if made.seconds is not None)
    assert new.path == old.path
    assert new.spec.sha256 != old.spec.sha256


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("STRANGE", r"query\.onnx for sm86: node layers\.0/Strange_7 \(Strange\): there is no importer"),
        ("FAIL", r"query\.onnx for sm86: IBuilder::build: no memory$"),
    ],
)
def test_a_refused_graph_leaves_the_bundle_whole(bundle: Path, node: str, says: str) -> None:
    edit(bundle, "query", add_node(node))
    with pytest.raises(EngineError, match=rf"^TensorRT-RTX 1\.7\.1 builds no engine of {says}"):
        add(bundle)
    opened = Bundle.open(bundle)
    listed = {f"engines/{path.name}" for path in (bundle / "engines").iterdir()}
    assert listed == {engine.file for engine in opened.model.engines}
    assert [engine.graph for engine in opened.model.engines] == ["support"]  # was built before


@pytest.mark.usefixtures("site")
def test_an_engine_with_other_tensors_is_not_kept(bundle: Path) -> None:
    edit(bundle, "query", lambda model: model.graph.output[1].type.tensor_type.shape.dim.pop())
    with pytest.raises(EngineError, match=r"query\.onnx has score as \('float32', \[1\]\), expected .*12\]"):
        add(bundle)


def test_tensorrt_builds_for_the_gpu_that_is_here(
    bundle: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "tensorrt", TENSORRT)
    monkeypatch.setattr(gpu, "architecture", lambda: "sm90")
    made = add(bundle, [], "tensorrt")
    assert {engine.spec.arch for engine in made} == {"sm90"}
    assert {plan(engine)["arch"] for engine in made} == {None}
    assert {plan(engine)["network flags"] for engine in made} == {0}  # 11 has strong types alone
    with pytest.raises(EngineError, match=r"11\.4\.0\.106 builds for sm90 here, not for sm86: run this on"):
        find_builder("tensorrt", ["sm86"])


def test_nvidias_operator_is_no_operator_of_rtx(
    bundle: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(bundle, "support", lambda model: add_operator(model, NVIDIA))
    with pytest.raises(
        EngineError, match="has no MultiscaleDeformableAttnPlugin_TRT: export with --msda fmmp"
    ):
        add(bundle)
    install(site, "tensorrt", TENSORRT)
    monkeypatch.setattr(gpu, "architecture", lambda: "sm90")
    engine = next(made for made in add(bundle, [], "tensorrt") if made.spec.graph == "support")
    assert engine.spec.plugin == ""  # NVIDIA's own, in TensorRT


def test_all_that_is_missing_is_said_at_once(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "tensorrt").mkdir()  # published types alone make such a folder
    (tmp_path / "lib" / "libfmmp_tensorrt.so").unlink()

    def no_gpu() -> str:
        raise OSError("no NVIDIA driver is installed")

    monkeypatch.setattr(gpu, "architecture", no_gpu)
    with pytest.raises(EngineError) as error:
        find_builder("tensorrt", [])
    assert "\n" not in str(error.value)
    for part in ("pip install 'fmmp[tensorrt]'", "libfmmp_tensorrt.so is not in", "no NVIDIA driver",
                 "--backend tensorrt-rtx builds", "ONNX Runtime runs"):  # fmt: skip
        assert part in str(error.value)
    with pytest.raises(EngineError, match="say --arch, such as sm86"):
        find_builder("tensorrt-rtx", [])


@pytest.mark.usefixtures("processes")
def test_an_abort_in_there_is_an_error_here(bundle: Path) -> None:
    edit(bundle, "support", add_node("ABORT"))
    with pytest.raises(
        EngineError, match=r"builds no engine of support\.onnx for sm86: its process ended with -6$"
    ):
        add(bundle)


@pytest.mark.usefixtures("processes")
def test_rtx_finds_its_library_by_the_name_that_its_wheel_lacks(site: Path) -> None:
    libraries = site / "tensorrt_rtx_libs"
    libraries.mkdir()
    (libraries / "__init__.py").touch()
    (libraries / "libtensorrt_rtx.so.1").write_text("machine code")
    look = """
from pathlib import Path
link = Path(os.environ["LD_LIBRARY_PATH"].split(":")[0]) / "libtensorrt_rtx.so"
assert link.read_text() == "machine code"
"""
    install(site, "tensorrt_rtx", RTX.format(version="1.7.1") + look)
    assert find_builder("tensorrt-rtx", ["sm86"]).version == "1.7.1"
    assert len(list(libraries.iterdir())) == 2  # nothing is written there


@pytest.mark.usefixtures("site")
def test_a_gpu_that_rtx_does_not_know() -> None:
    with pytest.raises(
        EngineError, match=r"builds for sm75, sm86, sm120 here, not for sm90: use --backend ten"
    ):
        find_builder("tensorrt-rtx", ["sm86", "sm90"])


@pytest.mark.usefixtures("processes")
def test_a_package_that_does_not_start(site: Path) -> None:
    (site / "tensorrt_rtx.py").write_text("raise ImportError('libcudart.so.13 is not there')")
    with pytest.raises(
        EngineError, match=r"is installed but does not start: .*libcudart\.so\.13 is not there"
    ):
        find_builder("tensorrt-rtx", ["sm86"])


def test_the_graph_for_tensorrt(bundle: Path) -> None:
    graph = prepare(bundle / "query.onnx")
    model = onnx.load_from_string(graph.content)
    assert not model.functions  # TensorRT up to 10.6 would take it
    node = next(node for node in model.graph.node if node.domain == "fmmp")
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    assert attributes == {"plugin_version": b"1", "plugin_namespace": b"", "level_sizes": [3, 4, 1, 2]}
    assert graph.plugins == {FMMP.op_type}
    assert not prepare(bundle / "pair.onnx").plugins


def run(arguments: list[str]) -> int:
    try:
        return cli.main(arguments)
    except SystemExit as exit_:
        return int(str(exit_.code))


@pytest.mark.usefixtures("site")
def test_a_bundle_for_a_cpu_gets_no_engines(bundle: Path) -> None:
    content = json.loads((bundle / "model.json").read_text()) | {"target": "cpu"}
    (bundle / "model.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"ordered for a CPU.*export it again with --target gpu"):
        add(bundle)
    assert not (bundle / "engines").exists()


@pytest.mark.usefixtures("processes")
def test_command(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["--bundle", str(bundle), "--backend", "tensorrt-rtx"]
    assert run([*start, "--arch", "sm_86", "sm86"]) == 0
    assert capsys.readouterr().out.count("built in") == 3
    assert run([*start, "--arch", "sm86"]) == 0
    assert capsys.readouterr().out.count("there already") == 3
    assert run([*start, "--arch", "sm90"]) == 1
    assert capsys.readouterr().err.startswith("fmmp-export: TensorRT-RTX 1.7.1 builds for")
    for wrong in (["--arch", "ampere"], ["--arch", "sm86", "--fp16"], ["--ckpt", "c"], []):
        assert run([*start[:2], *wrong] if not wrong else [*start, *wrong]) == 2
    assert run(["--ckpt", "c", "--arch", "sm86"]) == 2
