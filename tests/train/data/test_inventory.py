# SPDX-License-Identifier: Apache-2.0
"""MP-100's table of contents, and what is said about a folder that has a part of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_runtime.media.image import write_image
from fmmp_train.cli.data import main
from fmmp_train.data import DataError, read_split
from fmmp_train.data.mp100 import CATEGORIES, split_categories
from fmmp_train.data.tools.check import check_folder
from fmmp_train.data.tools.inventory import SPLITS, split_states, take_inventory


def test_the_table_is_whole() -> None:
    assert sorted(CATEGORIES) == list(range(1, 101))
    assert len({entry.name for entry in CATEGORIES.values()}) == 100
    assert len({entry.source for entry in CATEGORIES.values()}) == 13
    assert (CATEGORIES[18].source, CATEGORIES[40].source) == ("AFLW", "300-W")  # both are called "face"


def test_splits_share_the_categories() -> None:
    tested: list[int] = []
    for number in range(1, 6):
        parts = [split_categories(f"split{number}_{part}") or () for part in ("train", "val", "test")]
        assert [len(part) for part in parts] == [70, 10, 20]
        assert sorted(each for part in parts for each in part) == list(range(1, 101))
        tested += parts[2]
    assert sorted(tested) == list(range(1, 101))  # every category is tested once
    assert split_categories("mp100_split1_test") == split_categories("split1_test")
    assert split_categories("split6_test") is split_categories("val") is None


def annotations(ids: list[int]) -> dict[str, Any]:
    """Two instances of each category, three keypoints, on an image each."""
    numbers = [10 * number + i for number in ids for i in (0, 1)]
    return {
        "images": [{"id": n, "file_name": f"{n // 10}/{n}.png", "height": 20, "width": 30} for n in numbers],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": n // 10,
                "keypoints": [1, 2, 2, 3, 4, 2, 15, 16, 2],
                "bbox": [0, 0, 20, 18],
            }
            for n in numbers
        ],
        "categories": [
            {"id": number, "name": "face", "keypoints": [], "skeleton": [[0, 1]]} for number in ids
        ],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Split 1's test categories, two of them in another order, and one that is foreign; without images."""
    (tmp_path / "annotations").mkdir()
    ids = list(split_categories("split1_test") or ())
    ids[0], ids[1] = ids[1], ids[0]
    ids[-1] = 1
    (tmp_path / "annotations" / "mp100_split1_test.json").write_text(json.dumps(annotations(ids)))
    return tmp_path


def test_what_is_there_and_what_is_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (100, 101, 770):  # category 10 complete, 77 half
        path = folder / "images" / str(number // 10) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.zeros((20, 30, 3), np.uint8))
    broken = folder / "images" / "24" / "240.png"
    broken.parent.mkdir()
    broken.write_bytes(b"\x89PNG")
    reports, faults = check_folder(folder)
    holdings = {holding.id: holding for holding in take_inventory(reports, faults)}
    assert len(holdings) == 100
    assert holdings[10].state == "complete"
    assert holdings[77].state == "1 missing"
    assert holdings[24].state == "1 missing, 1 broken"
    assert holdings[47].state == "no images"
    assert holdings[60].state == "no annotations"
    states = {state.name: state for state in split_states(reports)}
    assert list(states) == list(SPLITS)
    first = states["split1_test"]
    assert (first.lacking, first.foreign, first.in_order) == ((60,), (1,), False)
    assert states["split2_test"].file is None
    with pytest.raises(SystemExit) as left:
        main(["check", str(folder)])
    assert left.value.code == 1
    printed, error = capsys.readouterr()
    assert "lacks the categories 60" in printed
    assert "AnimalWeb" in printed
    assert str(broken) in error
    assert "36 images missing, 1 faults" in error


def test_one_file_of_all_categories_serves_any_split(folder: Path) -> None:
    everything = list(range(1, 101))
    (folder / "annotations" / "mp100_all.json").write_text(json.dumps(annotations(everything)))
    for split in ("split3_test", "mp100_split5_val", "split2_train"):
        dataset = read_split(folder, split)
        assert tuple(dataset.categories) == split_categories(split)
        assert len(dataset.instances) == 2 * len(dataset.categories)
    assert 1 in read_split(folder, "split1_test").categories  # a file of its own comes first
    with pytest.raises(DataError, match="no annotations for split 'split9_test'"):
        read_split(folder, "split9_test")
    states = {state.name: state for state in split_states(check_folder(folder)[0])}
    assert states["split4_train"].file == "mp100_all.json"
    assert states["split4_train"].lacking == ()
    (folder / "annotations" / "mp100_all.json").write_text(json.dumps(annotations(everything[:-1])))
    with pytest.raises(DataError, match=r"split2_train needs the categories \[100\]"):
        read_split(folder, "split2_train")
