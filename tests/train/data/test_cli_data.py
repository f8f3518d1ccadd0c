# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fmmp_train.cli.data import main
from fmmp_train.data import read_annotations


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "set"
    assert main(["synthetic", "--out", str(out), "--categories", "3", "--instances", "4", "--seed", "5"]) == 0
    return out


def test_synthetic_is_the_same_for_the_same_seed(folder: Path, tmp_path: Path) -> None:
    arguments = ["synthetic", "--out", str(tmp_path), "--categories", "3", "--instances", "4"]
    main([*arguments, "--seed", "5"])
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert len(files) == 13
    for file in files:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes(), file
    main([*arguments, "--seed", "6", "--split", "other"])
    assert (tmp_path / "annotations/other.json").read_bytes() != (
        folder / "annotations/train.json"
    ).read_bytes()


def test_synthetic_reads_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = read_annotations(folder / "annotations" / "train.json")
    assert len(data.instances) == 12
    assert list(data.categories) == [1001, 1002, 1003]
    for instance in data.instances:
        x, y, w, h = instance.box_xywh
        assert 0 <= x < x + w <= 319 + 1e-9
        assert 0 <= y < y + h <= 319 + 1e-9
        assert len(instance.keypoints_px) == data.categories[instance.category_id].num_keypoints
    entries = json.loads((folder / "annotations" / "train.json").read_text())["annotations"]
    hidden = [(x, y) for e in entries for x, y, v in zip(*[iter(e["keypoints"])] * 3, strict=True) if v == 0]
    assert set(hidden) == {(0, 0)}  # COCO's way; and some are hidden
    assert main(["check", str(folder)]) == 0
    assert "complete" in capsys.readouterr().out


def test_splits_share_no_category(folder: Path, tmp_path: Path) -> None:
    call = ["synthetic", "--out", str(tmp_path), "--instances", "1", "--seed", "5", "--splits"]
    assert main([*call, "2/1/1"]) == 0
    read = {
        name: read_annotations(tmp_path / f"annotations/{name}.json") for name in ("train", "val", "test")
    }
    ids = {name: list(dataset.categories) for name, dataset in read.items()}
    assert ids == {"train": [1001, 1002], "val": [1003], "test": [1004]}
    third = read_annotations(folder / "annotations/train.json").categories[1003]  # of one split, the same
    assert read["val"].categories[1003].links.tolist() == third.links.tolist()
    with pytest.raises(SystemExit) as stop:
        main([*call, "70/30"])
    assert stop.value.code == 2


def test_synthetic_never_overwrites(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "annotations" / "train.json").read_bytes()
    with pytest.raises(SystemExit) as exit_:
        main(["synthetic", "--out", str(folder), "--categories", "1", "--instances", "1"])
    assert exit_.value.code == 1
    assert "exists: choose another folder or split" in capsys.readouterr().err
    assert (folder / "annotations" / "train.json").read_bytes() == before


def test_out_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(SystemExit) as exit_:
        main(["synthetic", "--out", str(tmp_path / "a"), "--categories", "1", "--instances", "1"])
    assert exit_.value.code == 1
    assert "Not a directory" in capsys.readouterr().err


def test_check_names_what_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = sorted((folder / "images").rglob("*.jpg"))
    kept = {path: path.read_bytes() for path in images[:2]}
    try:
        images[0].unlink()
        images[1].write_bytes(kept[images[1]][:300])
        with pytest.raises(SystemExit) as exit_:
            main(["check", str(folder)])
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
    assert exit_.value.code == 1
    printed = capsys.readouterr().err
    assert f"missing: {images[0]}" in printed
    assert str(images[1]) in printed
    assert "1 images missing, 1 faults" in printed


def test_check_reports_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.json").write_text("[]")
    with pytest.raises(SystemExit) as exit_:
        main(["check", str(tmp_path)])
    assert exit_.value.code == 1
    assert "a.json is not a COCO annotation file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check", str(tmp_path / "none")])
    assert "has no annotations/*.json" in capsys.readouterr().err


def test_episodes_as_json(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(folder / "annotations" / "train.json")
    arguments = ["episodes", file, "--shots", "2", "--queries", "2", "--episodes", "3"]
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["order"] == [1001, 1002, 1003]
    assert len(printed["drawn"]) == 9
    assert all(len(e["support"]) == 2 and len(e["queries"]) == 2 for e in printed["drawn"])
    assert main([*arguments, "--output", str(tmp_path / "e.json")]) == 0
    assert json.loads((tmp_path / "e.json").read_text()) == printed
    with pytest.raises(SystemExit) as exit_:
        main(["episodes", file])  # 15 queries of 4 instances
    assert exit_.value.code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["synthetic"],
        ["synthetic", "-o", "x", "--categories", "0"],
        ["episodes", "x", "--seed", "-1"],
        ["check"],
    ],
)
def test_wrong_arguments_exit_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2


def test_help_is_instant() -> None:
    code = (
        "import sys; from fmmp_train.cli.data import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    )
    code += "sys.exit(any(m in sys.modules for m in ('torch', 'cv2', 'numpy', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
