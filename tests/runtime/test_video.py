# SPDX-License-Identifier: Apache-2.0
"""Videos in and out."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime.video import VideoError, VideoReader, VideoWriter, is_video


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
