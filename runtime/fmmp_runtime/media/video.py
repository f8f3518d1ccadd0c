# SPDX-License-Identifier: Apache-2.0
"""Moving pictures: frames of a video file or of a camera, and a video file to write."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from fmmp_runtime.files import check_regular
from fmmp_runtime.media.image import Image

CAMERA = "camera:"
ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
USUAL_RATE = 25.0  # frames a second, for a camera that names no rate
ROUNDING = 200  # one frame in so many, and one more, may be missing: some formats give a duration, no number


class VideoError(ValueError):
    """A video or camera that gives no frames, or a video that cannot be written."""


def is_video(source: str) -> bool:
    """Whether this names a camera ("camera:0") or a video file, by its ending."""
    return source.startswith(CAMERA) or Path(source).suffix.lower() in ENDINGS


class StoppedEarlyError(VideoError):
    """A camera or video that gave some frames, and then no more although there should be."""


class CameraStoppedError(StoppedEarlyError):
    """A camera that is unplugged, taken by another program, or asleep."""


class VideoReader:
    """Frames of "camera:N" or of a video file, one after the other."""

    def __init__(self, source: str) -> None:
        """Open it.

        Raises:
            OSError: no such file.
            VideoError: not a video, or no such camera.
        """
        if source.startswith(CAMERA):
            number = source.removeprefix(CAMERA)
            if not re.fullmatch("[0-9]{1,4}", number):
                raise VideoError(f"a camera is {CAMERA}0, {CAMERA}1, ..., got {source!r}")
            self._capture = cv2.VideoCapture(int(number))
        else:
            check_regular(Path(source))  # a pipe without a writer would never open
            with Path(source).open("rb"):  # for the usual error if it cannot be read
                self._capture = cv2.VideoCapture(source)
        self.source = source
        if not self._capture.isOpened():
            raise VideoError(
                f"{source} gives no pictures: not a video that OpenCV can decode, or no such camera"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else USUAL_RATE
        self.count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))  # 0: unknown, as of a camera

    def __iter__(self) -> Iterator[Image]:
        """RGB frames until the last.

        Raises:
            VideoError: there is not even a first.
            StoppedEarlyError: the file holds fewer frames than it says: it is cut off or damaged.
            CameraStoppedError: a camera gives no more; its frames end only so.
        """
        number = 0
        try:
            while True:
                there, frame = self._capture.read()
                if not there:
                    break
                yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
                number += 1
        finally:
            self._capture.release()
        if number == 0:
            raise VideoError(f"{self.source} holds no frame that can be decoded")
        if self.source.startswith(CAMERA):
            raise CameraStoppedError(
                f"{self.source} stopped after {number} frames: see that it is plugged in and that no other "
                "program uses it, then open it again"
            )
        if number < self.count - 1 - self.count // ROUNDING:
            raise StoppedEarlyError(
                f"{self.source}: {number} of {self.count} frames could be read: it is cut off or damaged"
            )


class VideoWriter:
    """An MP4 file that appears under its name when it is complete."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self._rate = rate
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._count = 0  # frames

    def __enter__(self) -> "VideoWriter":
        """Nothing is written before the first frame."""
        return self

    def write(self, frame: Image) -> None:
        """Append an RGB frame.

        Raises:
            VideoError: it has another size than the first, or the file cannot be written.
        """
        size = (frame.shape[1], frame.shape[0])
        if self._writer is None:
            self._size = size
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._part), codec, self._rate, size)
            if not self._writer.isOpened():
                raise VideoError(f"cannot write {self.path}: no permission, no space, or OpenCV without MP4")
        if size != self._size:
            raise VideoError(
                f"cannot add a frame of {size[0]} x {size[1]} pixels to {self.path}, whose first has "
                f"{self._size[0]} x {self._size[1]}: a video has one size"
            )
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its name, or after an error remove it.

        Raises:
            VideoError: it does not hold what was written, as on a full disk, of which OpenCV says nothing.
        """
        if self._writer is not None:
            self._writer.release()
        try:
            if kind is None and self._writer is not None:
                self._check()
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)

    def _check(self) -> None:
        capture = cv2.VideoCapture(str(self._part))
        kept = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        if kept != self._count:
            raise VideoError(
                f"cannot write {self.path}: of {self._count} frames {max(kept, 0)} are in the file: "
                "make room on the disk"
            )
