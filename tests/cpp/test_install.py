# SPDX-License-Identifier: Apache-2.0
"""The installed package: another CMake project finds it, and plain C compiles against it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cpp.build import ROOT, cmake, environment

CONSUMER = Path(__file__).parent / "consumer"


@pytest.fixture(scope="module")
def prefix(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prefix")
    cmake("--install", built, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def consumer(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consumer")
    cmake("-S", CONSUMER, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}")
    cmake("--build", folder)
    return folder


def run(program: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env=environment()
    )


def test_c(consumer: Path, bundle: Path) -> None:
    result = run(consumer / "plain_c", bundle)
    assert result.returncode == 0, result.stdout
    assert "ONNX Runtime 1." in result.stdout
    failed = run(consumer / "plain_c")
    assert (
        failed.stdout
        == "2 no bundle at nowhere: expected a folder with model.json (fmmp-export writes one)\n"
    )


def test_cpp(consumer: Path, bundle: Path) -> None:
    """The fake network answers the support keypoints and the brightness."""
    result = run(consumer / "wrapped", bundle)
    assert result.returncode == 0, result.stdout
    places = [list(map(float, line.split())) for line in result.stdout.splitlines()]
    assert [place[:2] for place in places] == [[40.0, 30.0], [20.0, 15.0]]
    assert run(consumer / "wrapped").stdout.startswith("2 no bundle at nowhere")


def test_the_example_of_the_documentation_compiles(prefix: Path, tmp_path: Path) -> None:
    code = (ROOT / "docs" / "cpp.md").read_text().split("```cpp\n")[1].split("```")[0]
    (tmp_path / "example.cpp").write_text(code)
    command = ["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{prefix}/include"]
    subprocess.run([*command, tmp_path / "example.cpp"], check=True)


def test_operators_beside_the_library_are_found(prefix: Path, bundle: Path, consumer: Path) -> None:
    variables = environment()
    operators = Path(variables.pop("FMMP_LIBRARY_DIR"))
    copied = prefix / "lib" / "libfmmp_onnxruntime.so"
    shutil.copy(operators / copied.name, copied)
    result = subprocess.run(
        [consumer / "plain_c", bundle], capture_output=True, text=True, check=True, env=variables
    )
    assert f"the compiled operator {copied}" in result.stdout


def test_nothing_but_the_interface_is_visible(prefix: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("needs nm of binutils")
    library = prefix / "lib" / "libfmmp_runtime.so"
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[-1] for line in symbols.splitlines() if " T " in line or " B " in line}
    header = (ROOT / "runtime" / "cpp" / "include" / "fmmp" / "fmmp.h").read_text()
    assert names == {name for name in names if name.startswith("fmmp_") and f"{name}(" in header}
    assert "fmmp_locate" in names
