# SPDX-License-Identifier: Apache-2.0
"""What the exporter asks of TensorRT exists, by the published types of its Python API."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.cuda.nvidia import require

REPOSITORY = Path(__file__).parents[2]
PROCESS = REPOSITORY / "fmmp_export" / "engines" / "process.py"


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The types of 10.13, mended: some parameters are no valid Python, and `bool` is a tensor type there."""
    source = require("stubs")
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("needs mypy: pip install 'fmmp[dev]'")
    folder = tmp_path_factory.mktemp("stubs")
    types = (source / "tensorrt_bindings" / "tensorrt.pyi").read_text()
    types = re.sub(r"\bin: ", "in_: ", types).replace("channel_axis: int)", "channel_axis: int = 0)")
    types = "import builtins\n" + types.replace("-> bool:", "-> builtins.bool:")
    (folder / "tensorrt").mkdir()
    (folder / "tensorrt" / "__init__.pyi").write_text(types + "\n__version__: str\n")
    return folder


def mistakes(stubs: Path, source: str) -> str:
    file = stubs / "engine_process.py"
    file.write_text(source)
    options = ["--config-file=", "--follow-imports=silent", f"--cache-dir={stubs}/cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, file], cwd=stubs, capture_output=True, text=True, check=False
    )
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith("engine_process.py"))


@pytest.mark.slow
def test_every_call_fits_the_types(stubs: Path) -> None:
    source = PROCESS.read_text()
    assert mistakes(stubs, source) == ""
    wrong = source.replace("BuilderFlag.TF32", "BuilderFlag.FP24").replace("job.weights_beside)", "3)")
    found = mistakes(stubs, wrong.replace("parser.num_errors", "parser.count"))
    assert '"type[BuilderFlag]" has no attribute "FP24"' in found
    assert '"OnnxParser" has no attribute "count"' in found
    assert 'incompatible type "int"' in found
