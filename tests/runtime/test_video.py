# SPDX-License-Identifier: Apache-2.0
"""Videos in and out."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image
from fmmp_runtime.media.video import (
    CameraStoppedError,
    StoppedEarlyError,
    VideoError,
    VideoReader,
    VideoWriter,
    is_video,
)


def _write(path: Path, count: int) -> Path:
    with VideoWriter(path, 10) as writer:
        for number in range(count):
            frame = np.zeros((48, 64, 3), np.uint8)
            frame[:, :, 0] = 40 * number
            writer.write(frame)
    return path


def test_round_trip(tmp_path: Path) -> None:
    reader = VideoReader(str(_write(tmp_path / "a.mp4", 5)))
    assert reader.rate == pytest.approx(10)
    frames = list(reader)
    assert len(frames) == reader.count == 5
    for number, frame in enumerate(frames):
        assert frame.shape == (48, 64, 3)
        assert abs(frame[..., 0].mean() - 40 * number) < 8  # MPEG-4 at its default quality
        assert frame[..., 2].mean() < 12  # red, not blue
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]


def test_broken_off_video_leaves_nothing(tmp_path: Path) -> None:
    with contextlib.suppress(RuntimeError), VideoWriter(tmp_path / "a.mp4", 10) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_video_that_cannot_be_written(tmp_path: Path) -> None:
    with (
        pytest.raises(VideoError, match=r"cannot write .*a\.mp4"),
        VideoWriter(tmp_path / "nowhere" / "a.mp4", 10) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("source", "yes"),
    [
        ("a.mp4", True),
        ("A.MOV", True),
        ("camera:0", True),
        ("a.jpg", False),
        ("mp4", False),
        ("dir.mp4/a.png", False),
    ],
)
def test_is_video(source: str, yes: bool) -> None:
    assert is_video(source) == yes


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        VideoReader(str(tmp_path / "nowhere.mp4"))
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    with pytest.raises(VideoError, match=r"a\.mp4 gives no pictures"):
        VideoReader(str(tmp_path / "a.mp4"))
    with pytest.raises(VideoError, match=r"a camera is camera:0, camera:1, \.\.\., got 'camera:front'"):
        VideoReader("camera:front")
    for number in ("99999999999999", "²", ""):
        with pytest.raises(VideoError, match=r"a camera is camera:0, camera:1, \.\.\., got 'camera:"):
            VideoReader(f"camera:{number}")
    with pytest.raises(VideoError, match="camera:77 gives no pictures"):
        VideoReader("camera:77")


def test_what_is_no_regular_file_is_no_video(tmp_path: Path) -> None:
    """A pipe without a writer would never open."""
    os.mkfifo(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").symlink_to("/dev/zero")
    for name in ("a.mp4", "b.mp4"):
        with pytest.raises(OSError, match="not a regular file"):
            VideoReader(str(tmp_path / name))


class Camera:
    """Stands in for cv2.VideoCapture: three frames, then none, as of a camera that is pulled out."""

    def __init__(self, _: object) -> None:
        self.left = 3
        self.open = True

    def isOpened(self) -> bool:
        return True

    def get(self, _: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        self.left -= 1
        return (True, np.full((48, 64, 3), 90, np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.open = False


def test_a_camera_that_stops_is_an_error_after_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv2.VideoCapture", Camera)
    frames: list[Image] = []
    with pytest.raises(
        CameraStoppedError, match="camera:0 stopped after 3 frames: see that it is plugged in"
    ):
        frames.extend(VideoReader("camera:0"))
    reader = VideoReader("camera:0")
    for frame in reader:
        frames.append(frame)
        break
    assert all(frame.shape == (48, 64, 3) for frame in frames)


def test_a_frame_of_another_size_cannot_go_into_a_video(tmp_path: Path) -> None:
    """OpenCV leaves it out without a word."""
    says = r"frame of 48 x 64 pixels to .*a\.mp4, whose first has 64 x 48: a video has one size"
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(VideoError, match=says):
            writer.write(np.zeros((64, 48, 3), np.uint8))
    assert len(list(VideoReader(str(tmp_path / "a.mp4")))) == 1


def cut_video(path: Path, *, frames: int, kept: float) -> Path:
    """A motion-JPEG AVI file, whose head says how many frames there are, without its end."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), number, np.uint8))
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: round(kept * len(content))])
    return path


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_cut_off_video_gives_what_it_has_and_says_so(tmp_path: Path, kept: float) -> None:
    reader = VideoReader(str(cut_video(tmp_path / "a.avi", frames=40, kept=kept)))
    frames: list[Image] = []
    with pytest.raises(StoppedEarlyError, match=r"a\.avi: \d+ of 40 frames could be read: it is cut off"):
        frames.extend(reader)
    assert 4 < len(frames) < 40


def test_a_whole_video_ends_without_a_word(tmp_path: Path) -> None:
    assert len(list(VideoReader(str(cut_video(tmp_path / "a.avi", frames=40, kept=1))))) == 40


def test_a_full_disk_leaves_no_half_video(tmp_path: Path) -> None:
    """A limit on the size of a file stands in for the disk: OpenCV hears of both, and says nothing."""
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from fmmp_runtime.media.video import VideoWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "noise = np.random.default_rng(0).integers(0, 255, (40, 96, 144, 3), dtype=np.uint8)\n"
        "with VideoWriter(Path(sys.argv[1]), 10) as writer:\n"
        "    for frame in noise: writer.write(frame)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.mp4")], capture_output=True, text=True, check=False
    )
    assert "VideoError: cannot write" in done.stderr
    assert "of 40 frames 0 are in the file: make room on the disk" in done.stderr
    assert list(tmp_path.iterdir()) == []
