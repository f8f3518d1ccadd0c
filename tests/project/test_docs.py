# SPDX-License-Identifier: Apache-2.0
"""What is drawn or written from the code is as the code is now, and the examples run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from docs.pictures import data_way
from docs.pictures.write import CONTRIBUTING, PICTURES, with_table
from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.media.image import read_image, write_image
from fmmp_train.data.tools.write import write_synthetic
from tests.fakes.bundle import write_bundle

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
AGAIN = "run `python -m docs.pictures.write`"


@pytest.mark.parametrize("file", PICTURES, ids=lambda file: file.name)
def test_picture_is_of_the_code_as_it_is(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == PICTURES[file](), AGAIN


def test_the_way_of_the_data_names_what_is_there() -> None:
    assert list(data_way.missing()) == []


def test_table_of_rooms() -> None:
    written = CONTRIBUTING.read_text(encoding="utf-8")
    assert written == with_table(written), AGAIN


def test_every_test_of_the_field_cases_is_there() -> None:
    page = (ROOT / "docs" / "field-cases.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not missing
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))  # docstrings of tests name rows


def run(example: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run_and_listed() -> None:
    names = {file.name for file in EXAMPLES.glob("*.py")}
    tests = (Path(__file__), ROOT / "tests" / "export" / "test_example.py")
    here = "".join(file.read_text(encoding="utf-8") for file in tests)
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert names
    assert [name for name in names if f'run("{name}"' not in here or f"]({name})" not in page] == []


def test_locate(tmp_path: Path) -> None:
    grey = np.full((90, 140, 3), 102, np.uint8)
    for name in ("support.png", "query.png"):
        write_image(tmp_path / name, grey)
    points = {"keypoints": [[30, 20], [100, 25], [95, 70]], "names": ["a", "b", "c"], "links": [[0, 1]]}
    (tmp_path / "support.json").write_text(json.dumps(points))
    files = [tmp_path / name for name in ("support.png", "support.json", "query.png", "picture.png")]
    said = run("locate.py", write_bundle(tmp_path / "bundle"), *files)
    assert [line.split(":")[0] for line in said.splitlines()] == ["a", "b", "c"]
    assert read_image(files[-1]).shape == grey.shape


def test_many_objects(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    write_image(tmp_path / "frame.png", np.full((90, 140, 3), 102, np.uint8))
    support = Support(np.full((50, 60, 3), 9, np.uint8), [[5, 5], [50, 40]], [[0, 1]])
    PoseEstimator(bundle, threads=1).remember([support]).save(tmp_path / "state.safetensors")
    boxes = ["10", "10", "50", "50", "60", "20", "70", "60"]
    said = run("many_objects.py", bundle, tmp_path / "state.safetensors", tmp_path / "frame.png", *boxes)
    assert said.count("mean score") == 2


def test_synthetic(tmp_path: Path) -> None:
    run("synthetic.py", 3, tmp_path / "picture.png")
    assert read_image(tmp_path / "picture.png").shape[1] > 1000


def test_own_method(tmp_path: Path) -> None:
    write_synthetic(tmp_path, categories=2, instances=7, seed=0, split="val")
    said = run("own_method.py", tmp_path, "val")
    assert re.fullmatch(r"PCK@0\.2 \d+\.\d over 100 pairs\n", said)
