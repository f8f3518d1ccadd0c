# SPDX-License-Identifier: Apache-2.0
"""Our use of PyCUDA and of the driver, with PyCUDA itself on a driver of host memory."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "build" / "nvidia" / "pycuda"


# The operator library's crop: fills the crops with the first byte of the sources.
CROP = """
#include <cstdint>
#include <cstring>
#include "driver.h"
EXPORT int fmmp_crop(void const* sources, int32_t count, void* crops, int32_t size, void* stream)
{
    return fake::add(stream, [=] {
        std::memset(crops, *static_cast<char const*>(sources), size_t(3) * count * size * size);
    });
}
"""


@pytest.fixture(scope="module")
def pycuda() -> Path:
    """Folder that PyCUDA lies in."""
    spec = importlib.util.find_spec("pycuda")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parents[1]
    if not FOLDER.is_dir():
        pytest.skip(
            "needs PyCUDA: pip install 'fmmp[tensorrt]', or pip install --target build/nvidia/pycuda pycuda"
        )
    return FOLDER


@pytest.fixture(scope="module")
def driver(pycuda: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver's library, with every name that PyCUDA is linked to; those of no use here fail."""
    if shutil.which("c++") is None or shutil.which("nm") is None:
        pytest.skip("needs c++ and nm")
    folder = tmp_path_factory.mktemp("driver")
    (extension,) = (pycuda / "pycuda").glob("_driver*.so")
    names = subprocess.run(
        ["nm", "-D", "--undefined-only", extension], capture_output=True, text=True, check=True
    )
    wanted = set(re.findall(r" (cu[A-Z]\w+)", names.stdout))
    source = HERE.parent / "fakes" / "driver.cpp"
    missing = sorted(wanted - set(re.findall(r"\b(cu[A-Z]\w+)\(", source.read_text())))
    rest = "".join(f'extern "C" int {name}() {{ return 801; }}\n' for name in missing)
    (folder / "rest.cpp").write_text(rest + CROP)
    target = folder / "libcuda.so.1"
    files = (f"-I{source.parent}", source, folder / "rest.cpp", "-o", target)
    flags = ("-std=c++17", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wl,-soname,libcuda.so.1")
    subprocess.run(["c++", *flags, *files], check=True)
    return target


def test_pycuda_on_host_memory(pycuda: Path, driver: Path) -> None:
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(driver.parent),
        "PYTHONPATH": os.pathsep.join([str(pycuda), *(path for path in sys.path if path)]),
    }
    done = subprocess.run(
        [sys.executable, HERE / "cuda_process.py", driver],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "done"
    assert "PyCUDA" not in done.stderr, done.stderr  # it speaks when memory or a context was left behind


def test_a_library_without_the_crop(pycuda: Path, driver: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.c").write_text("int nothing;\n")
    library = tmp_path / "libold.so"
    subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "empty.c", "-o", library], check=True)
    program = f"from fmmp_runtime.backends.cuda import CudaDevice; CudaDevice({str(library)!r})"
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(driver.parent),
        "PYTHONPATH": os.pathsep.join([str(pycuda), *(path for path in sys.path if path)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert "libold.so has no crop for the GPU: build it again" in done.stderr
