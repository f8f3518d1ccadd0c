# SPDX-License-Identifier: Apache-2.0
"""`fmmp-run`: results, names, exit codes, and what it says when something is wrong."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from fmmp_runtime import read_image
from fmmp_runtime.cli import run as cli_run
from fmmp_runtime.media.image import write_image
from fmmp_runtime.media.video import VideoReader, VideoWriter
from tests.fakes.bundle import copy_bundle
from tests.runtime.test_video import Camera, cut_video

SQUARE = [[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]]
BOX = [20.0, 10.0, 91.0, 71.0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A support with its annotation, two queries, and a place for results."""
    picture = np.full((90, 140, 3), 102, np.uint8)
    for name in ("support.png", "a.png", "b.jpg"):
        write_image(tmp_path / name, picture)
    annotation = {
        "keypoints": SQUARE,
        "links": [[0, 1], [1, 2], [2, 3]],
        "box": BOX,
        "names": ["a", "b", "c", "d"],
    }
    (tmp_path / "support.json").write_text(json.dumps(annotation))
    return tmp_path


def _arguments(bundle: Path, folder: Path, queries: Sequence[str] = ("a.png", "b.jpg")) -> list[str]:
    paths = [q if q.startswith("camera:") else str(folder / q) for q in queries]
    support, annotation = folder / "support.png", folder / "support.json"
    return [
        *(str(bundle), "--support", str(support), "--annotation", str(annotation)),
        *("--query", *paths, "--out", str(folder / "out"), "--box", *map(str, BOX)),
    ]


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    """The message of a run that must end with this code."""
    try:
        ended = cli_run.main(arguments)
    except SystemExit as error:
        ended = int(error.code or 0)
    said = capsys.readouterr().err
    assert ended == code, said
    return said


def test_pictures_and_json(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_run.main(_arguments(bundle, folder)) == 0
    out = folder / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        "a-pose.jpg",
        "a-pose.json",
        "b-pose.jpg",
        "b-pose.json",
        "sheet-pose.jpg",
        "support-support-pose.jpg",
    ]
    result = json.loads((out / "a-pose.json").read_text())
    np.testing.assert_allclose(result["keypoints"], SQUARE, rtol=0, atol=0.0051)  # written with two decimals
    # 102 / 255, over the 90 of 108 rows of the crop that lie in the image; its border falls between pixels
    np.testing.assert_allclose(result["score"], [0.4 * 90 / 108] * 4, rtol=0, atol=0.4 / 64)
    assert result["known"] == [True] * 4
    assert result["links"] == [[0, 1], [1, 2], [2, 3]]
    assert result["box"] == [20, 10, 90, 70]
    assert result["names"] == ["a", "b", "c", "d"]
    assert result["query"] == str(folder / "a.png")
    assert result["milliseconds"] > 0
    picture = read_image(out / "a-pose.jpg")
    assert picture.shape == (90, 140, 3)
    assert (np.abs(picture.astype(int) - 102).max(2) > 40).any()
    said = capsys.readouterr()
    assert said.out.count(" ms a frame, mean score ") == 2
    assert "ONNX Runtime" in said.err


def test_names_and_threshold_change_the_pictures_alone(bundle: Path, folder: Path) -> None:
    answers, pictures = [], []
    for options in ([], ["--names"], ["--threshold", "0.2"]):  # every score is 0.33
        assert cli_run.main([*_arguments(bundle, folder, ["a.png"]), *options]) == 0
        answers.append(json.loads((folder / "out" / "a-pose.json").read_text())["keypoints"])
        pictures.append(read_image(folder / "out" / "a-pose.jpg"))
    assert answers[0] == answers[1] == answers[2]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_a_threshold_is_a_share(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = _fails([*_arguments(bundle, folder), "--threshold", "50"], capsys, code=2)
    assert "must be from 0 to 1, got 50" in said


def test_json_on_stdout(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_run.main([*_arguments(bundle, folder), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["query"] for line in lines] == [str(folder / "a.png"), str(folder / "b.jpg")]
    assert lines[0] == json.loads((folder / "out" / "a-pose.json").read_text())


def test_whole_image_and_a_tree_are_assumed_and_said(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "support.json").write_text(json.dumps({"keypoints": SQUARE}))
    assert cli_run.main(_arguments(bundle, folder, ["a.png"])[:-5]) == 0
    result = json.loads((folder / "out" / "a-pose.json").read_text())
    assert result["box"] == [0, 0, 139, 89]
    assert result["links"] == [[0, 3], [1, 2], [2, 3]]
    assert "names" not in result
    assert "no links given: joined the keypoints by the shortest tree" in capsys.readouterr().err


def test_annotation_of_another_image_is_said(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "support.json").write_text(json.dumps({"keypoints": SQUARE, "image": "cats/other.png"}))
    assert cli_run.main(_arguments(bundle, folder)) == 0
    assert "the annotation of support.png says that it belongs to cats/other.png" in capsys.readouterr().err


def test_queries_of_one_name_and_no_input_is_overwritten(bundle: Path, folder: Path) -> None:
    (folder / "more").mkdir()
    write_image(folder / "more" / "a.png", np.zeros((50, 60, 3), np.uint8))
    before = (folder / "a.png").read_bytes()
    arguments = _arguments(bundle, folder, ["a.png", "more/a.png"])[:-5]
    arguments[arguments.index("--out") + 1] = str(folder)
    assert cli_run.main(arguments) == 0
    assert (folder / "a.png").read_bytes() == before
    assert read_image(folder / "a-pose.jpg").shape == (90, 140, 3)
    assert read_image(folder / "a-pose-2.jpg").shape == (50, 60, 3)


def test_several_supports_and_a_coco_file(three_shot_bundle: Path, folder: Path) -> None:
    write_image(folder / "second.png", np.full((90, 140, 3), 50, np.uint8))
    flat = [value for x, y in SQUARE for value in (x, y, 2)]
    coco = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(["support.png", "second.png"])],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "keypoints": flat, "bbox": [20, 10, 91, 71]}
            for n in range(2)
        ],
        "categories": [{"id": 1, "name": "square", "keypoints": [], "skeleton": [[0, 1], [1, 2], [2, 1]]}],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    arguments = _arguments(three_shot_bundle, folder, ["a.png"])
    arguments[2:5] = [arguments[2], str(folder / "second.png"), "--annotation", str(folder / "coco.json")]
    assert cli_run.main(arguments) == 0
    result = json.loads((folder / "out" / "a-pose.json").read_text())
    np.testing.assert_allclose(result["keypoints"], SQUARE, rtol=0, atol=0.0051)
    assert result["links"] == [[0, 1], [1, 2]]
    assert (folder / "out" / "support-second-pose.jpg").exists()


def test_video(bundle: Path, folder: Path) -> None:
    with VideoWriter(folder / "v.mp4", 10) as writer:
        for _ in range(4):
            writer.write(np.full((96, 144, 3), 90, np.uint8))
    assert cli_run.main([*_arguments(bundle, folder, ["v.mp4", "a.png"]), "--frames", "3"]) == 0
    result = json.loads((folder / "out" / "v-pose.json").read_text())
    assert len(result["frames"]) == 3
    np.testing.assert_allclose(result["frames"][2]["keypoints"], SQUARE, rtol=0, atol=0.0051)
    frames = list(VideoReader(str(folder / "out" / "v-pose.mp4")))
    assert len(frames) == 3
    assert (np.abs(frames[0].astype(int) - 90).max(2) > 40).any()


def test_one_broken_query_does_not_stop_the_others(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty.png").touch()
    (folder / "text.mp4").write_text("text")
    said = _fails(_arguments(bundle, folder, ["empty.png", "nowhere.png", "text.mp4", "a.png"]), capsys)
    assert "empty.png is empty (0 bytes)" in said
    assert "No such file or directory" in said
    assert "text.mp4 gives no pictures" in said
    assert (folder / "out" / "a-pose.json").exists()
    assert (folder / "out" / "sheet-pose.jpg").exists()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--support", "nowhere.png", "No such file or directory"),
        ("--annotation", "nowhere.json", "No such file or directory"),
        ("--annotation", "a.png", "is not JSON"),
        ("--out", "a.png", "--out must be a folder, but .*a.png is a file"),
        ("--out", "a.png/below", "Not a directory"),
    ],
)
def test_nothing_is_done_with_a_wrong_path(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, says: str
) -> None:
    arguments = _arguments(bundle, folder)
    arguments[arguments.index(option) + 1] = str(folder / value)
    said = _fails(arguments, capsys)
    assert says.split(".*")[0] in said
    assert says.split(".*")[-1] in said
    assert len(said.strip().splitlines()) <= 2  # what runs, and the fault
    assert not list((folder / "out").glob("*-pose*"))


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ({"keypoints": [[5, 5]] * 13}, "13 keypoints do not fit: this model takes 12"),
        ({"keypoints": [[float("nan"), 1, 2]]}, "keypoint 0 is not finite"),
        ({"keypoints": [[float("nan"), 1]]}, "none of 1 keypoints is visible"),
        (
            {"keypoints": SQUARE, "links": [[0, 9]]},
            "is out of range: it names keypoint 9, but there are 4 keypoints, 0 to 3",
        ),
        ({"keypoints": SQUARE, "links": [[0, 1], [1, 0]]}, "is there twice"),
        ({"keypoints": SQUARE, "links": [[2, 2]]}, "joins a keypoint to itself"),
        ({"keypoints": [[5, 5, 0], [6, 6, 0]]}, "none of 2 keypoints is visible"),
        ({"keypoints": [[5, 500]]}, "lies outside the 140 x 90 image"),
        ({"keypoints": SQUARE, "box": [900, 0, 5, 5]}, "lies outside the 140 x 90 image"),
        ({"points": SQUARE}, "unknown key 'points'"),
    ],
)
def test_bad_annotation(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str], annotation: dict[str, object], says: str
) -> None:
    (folder / "support.json").write_text(json.dumps(annotation))
    assert says in _fails(_arguments(bundle, folder), capsys)


def test_bad_box(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*_arguments(bundle, folder)[:-4], "500", "0", "20", "20"]
    assert "a.png: box [500.0, 0.0, 20.0, 20.0]" in _fails(arguments, capsys)


def test_changed_bundle(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = copy_bundle(bundle, folder / "bundle")
    with (copy / "weights.bin").open("r+b") as file:
        file.write(b"\xff")
    assert "weights.bin has changed since its export" in _fails(_arguments(copy, folder), capsys)
    assert "no bundle at" in _fails(_arguments(folder / "nothing", folder), capsys)


def test_folder_that_cannot_be_written(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(bundle, folder)
    arguments[arguments.index("--out") + 1] = "/proc/fmmp"  # nobody, not even root, may write there
    assert "/proc/fmmp" in _fails(arguments, capsys)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: [*a[:-5], "--frames", "0"],
        lambda a: a[:-1],
        lambda a: [*a, "--backend", "abacus"],
        lambda a: [*a, "--annotation", "a.json", "b.json"],
        lambda a: a[1:],
        lambda a: [*a, "--wrong"],
        lambda a: [a[0], *a[5:]],
        lambda a: [*a[:3], *a[5:]],
        lambda a: [*a, "--state", "a.state"],
        lambda a: [a[0], "--state", "a.state"],
        lambda a: [a[0], "--state", "a.state", "--save-state", "b.state", *a[5:]],
        lambda a: [*a[:5], "--save-state", "a.state", "--out", "out"],
    ],
)
def test_wrong_arguments(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str], change: object
) -> None:
    assert callable(change)
    assert "usage: fmmp-run" in _fails(change(_arguments(bundle, folder)), capsys, code=2)


def test_a_camera_that_stops_keeps_what_it_gave(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = cv2.VideoCapture  # what is written is looked at

    def capture(source: int | str) -> object:
        return Camera(source) if isinstance(source, int) else files(source)

    monkeypatch.setattr("cv2.VideoCapture", capture)
    said = _fails(_arguments(bundle, folder, ["camera:0", "a.png"]), capsys)
    assert "camera:0 stopped after 3 frames" in said
    assert len(json.loads((folder / "out" / "camera-0-pose.json").read_text())["frames"]) == 3
    monkeypatch.undo()
    assert len(list(VideoReader(str(folder / "out" / "camera-0-pose.mp4")))) == 3
    assert (folder / "out" / "a-pose.json").exists()


def test_a_device_that_never_sees_the_support(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli_run.main(_arguments(bundle, folder, ["a.png"])) == 0
    expected = json.loads((folder / "out" / "a-pose.json").read_text())
    learnt = _arguments(bundle, folder)
    learnt = [*learnt[: learnt.index("--query")], "--save-state", str(folder / "cat.state")]
    assert cli_run.main(learnt) == 0
    assert f"{folder / 'cat.state'}: the support, for {bundle}" in capsys.readouterr().err
    (folder / "support.png").unlink()
    (folder / "support.json").unlink()
    for file in (folder / "out").iterdir():
        file.unlink()
    arguments = _arguments(bundle, folder, ["a.png"])
    arguments[1 : arguments.index("--query")] = ["--state", str(folder / "cat.state")]
    assert cli_run.main(arguments) == 0
    found = json.loads((folder / "out" / "a-pose.json").read_text())
    assert expected.pop("names") == ["a", "b", "c", "d"]  # the file has none
    assert found | {"milliseconds": 0} == expected | {"milliseconds": 0}
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        "a-pose.jpg",
        "a-pose.json",
        "sheet-pose.jpg",
    ]


def test_state_and_results_in_one_run(bundle: Path, folder: Path) -> None:
    arguments = [*_arguments(bundle, folder), "--save-state", str(folder / "cat.state")]
    assert cli_run.main(arguments) == 0
    assert (folder / "out" / "a-pose.json").exists()
    assert (folder / "cat.state").exists()


def test_state_that_cannot_be_used(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = _arguments(bundle, folder)
    arguments[1 : arguments.index("--query")] = ["--state", str(folder / "a.png")]
    assert "a.png is cut off, or no support state" in _fails(arguments, capsys)
    arguments[2] = str(folder / "nowhere")
    assert "nowhere" in _fails(arguments, capsys)
    arguments = [*_arguments(bundle, folder), "--save-state", "/proc/fmmp/cat.state"]
    assert "/proc/fmmp/cat.state" in _fails(arguments, capsys)


@pytest.fixture
def listens_to_ctrl_c() -> Iterator[None]:
    """A job that a shell put in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens_to_ctrl_c")
def test_stopped_video_keeps_what_it_has(
    bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is how a camera is ended: the frames so far become the result."""
    with VideoWriter(folder / "v.mp4", 25) as writer:
        for _ in range(20):
            writer.write(np.full((96, 144, 3), 90, np.uint8))

    def stop_at_twelve(_query: str, done: int, _count: int) -> None:
        if done == 12:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fmmp_runtime.cli.run_job._progress", stop_at_twelve)
    assert cli_run.main(_arguments(bundle, folder, ["v.mp4"])) == 0
    assert "stopped after 12 frames" in capsys.readouterr().err
    assert len(json.loads((folder / "out" / "v-pose.json").read_text())["frames"]) == 12
    assert len(list(VideoReader(str(folder / "out" / "v-pose.mp4")))) == 12


@pytest.mark.usefixtures("listens_to_ctrl_c")
def test_ctrl_c_before_the_first_frame_leaves_no_result(
    bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoWriter(folder / "v.mp4", 25) as writer:
        writer.write(np.full((96, 144, 3), 90, np.uint8))

    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fmmp_runtime.cli.run_job._drawn", interrupted)
    assert _fails(_arguments(bundle, folder, ["v.mp4"]), capsys, code=130).endswith("fmmp-run: interrupted\n")
    assert [file.name for file in (folder / "out").iterdir()] == ["support-support-pose.jpg"]


def test_a_cut_off_video_is_done_as_far_as_it_goes(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_video(folder / "v.avi", frames=40, kept=0.5)
    arguments = _arguments(bundle, folder, ["v.avi", "a.png"])[:-5]
    said = _fails(arguments, capsys)
    found = len(json.loads((folder / "out" / "v-pose.json").read_text())["frames"])
    assert 4 < found < 40
    assert f"v.avi: {found} of 40 frames could be read" in said
    assert len(list(VideoReader(str(folder / "out" / "v-pose.mp4")))) == found
    assert (folder / "out" / "a-pose.json").exists()


def test_results_of_other_queries_are_kept(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "more").mkdir()
    write_image(folder / "more" / "a.png", np.zeros((90, 140, 3), np.uint8))
    assert cli_run.main(_arguments(bundle, folder, ["a.png"])) == 0
    assert cli_run.main(_arguments(bundle, folder, ["a.png"])) == 0  # its own are replaced
    file = folder / "out" / "a-pose.json"
    before = file.read_bytes()
    other = _arguments(bundle, folder, ["b.jpg", "more/a.png"])
    said = _fails(other, capsys)
    assert (
        f"a-pose.json is there already, of {folder}/a.png: choose another --out, or say --overwrite" in said
    )
    assert file.read_bytes() == before
    assert not (folder / "out" / "b-pose.json").exists()  # nothing is begun
    assert cli_run.main([*other, "--overwrite"]) == 0
    assert json.loads(file.read_text())["query"] == str(folder / "more" / "a.png")


def test_a_picture_that_is_no_result_is_kept(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a-pose.jpg").write_text("mine")
    assert "a-pose.jpg is there already, of something else" in _fails(_arguments(bundle, folder), capsys)
    assert (folder / "out" / "a-pose.jpg").read_text() == "mine"


def test_every_failure_is_told(
    bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: object) -> None:
        if "support" not in path.name:
            raise OSError(28, f"cannot write {path}: No space left on device")

    monkeypatch.setattr("fmmp_runtime.cli.run_job.write_image", full)
    said = _fails(_arguments(bundle, folder), capsys)
    for name in ("a-pose.jpg", "b-pose.jpg"):
        assert f"cannot write {folder / 'out' / name}: No space left on device" in said


def test_lines_in_a_file(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "lines.jsonl"
    assert cli_run.main([*_arguments(bundle, folder), "--json", str(file), "--threads", "1"]) == 0
    assert [json.loads(line)["query"] for line in file.read_text().splitlines()] == [
        str(folder / "a.png"),
        str(folder / "b.jpg"),
    ]
    assert " ms a frame" in capsys.readouterr().out
    arguments = [*_arguments(bundle, folder), "--json", str(folder / "nowhere" / "x")]
    assert "nowhere is no folder to write x into" in _fails(arguments, capsys)


@pytest.mark.parametrize("closed", ["2>&-", "2>&- 1>&- 0<&-"])
def test_closed_streams(bundle: Path, folder: Path, closed: str) -> None:
    """As a daemon has them."""
    words = [sys.executable, "-m", "fmmp_runtime.cli.run", *_arguments(bundle, folder, ["a.png"])]
    done = subprocess.run(f"{shlex.join(words)} {closed}", shell=True, check=False)
    assert done.returncode == 0
    assert json.loads((folder / "out" / "a-pose.json").read_text())["known"] == [True] * 4
    assert sorted(file.name for file in (folder / "out").iterdir()) == [
        *("a-pose.jpg", "a-pose.json", "sheet-pose.jpg", "support-support-pose.jpg")
    ]
