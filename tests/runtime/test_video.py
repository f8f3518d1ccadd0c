# SPDX-License-Identifier: Apache-2.0
"""Videos in and out."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image
from fmmp_runtime.media.video import CameraStoppedError, VideoError, VideoReader, VideoWriter, is_video


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
    with pytest.raises(VideoError, match="camera:77 gives no pictures"):
        VideoReader("camera:77")


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
