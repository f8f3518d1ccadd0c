# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos, spoilt: what is read has the size that its header says, what is cut off is refused."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np

from fmmp_runtime.media.image import image_size, read_image
from fmmp_runtime.media.video import VideoReader, VideoWriter
from tests.faults.spoil import spoil_bytes
from tests.faults.verdict import Attack, Strike, ends_well, holds

PICTURE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8), (0, 0), 3)
ENDINGS = (".png", ".jpg", ".webp", ".tiff", ".bmp", ".jp2", ".ppm", ".gif")
CUT_MARGIN = 0.8  # a picture of which a fifth is gone can't be whole
MOST_PIXELS = 4_000_000


def pictures(folder: Path) -> Strike:
    """A file of any format."""
    whole = {}
    for ending in ENDINGS:
        written, data = cv2.imencode(ending, PICTURE)
        if written:
            whole[ending] = data.tobytes()

    def strike(draw: random.Random) -> bool:
        ending = draw.choice(sorted(whole))
        file = folder / f"a{ending}"
        if draw.random() < 0.2:
            file.write_bytes(whole[ending][: int(draw.random() * CUT_MARGIN * len(whole[ending]))])
            holds(ends_well(lambda: read_image(file)) is None, f"{ending} with a fifth missing was taken")
            return False
        file.write_bytes(spoil_bytes(whole[ending], draw))
        image = ends_well(lambda: read_image(file, most_pixels=MOST_PIXELS))
        if image is None:
            return False
        holds(image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, "no RGB")
        holds(image_size(file) == image.shape[:2], f"{ending}: header and pixels have different sizes")
        return True

    return strike


def videos(folder: Path) -> Strike:
    """An MP4 or AVI file: its frames end, and are RGB."""
    with VideoWriter(folder / "whole.mp4", 10) as writer:
        for number in range(8):
            writer.write(np.roll(PICTURE, 5 * number, axis=1))
    avi = cv2.VideoWriter(str(folder / "whole.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 60))
    for number in range(8):
        avi.write(np.roll(PICTURE, 5 * number, axis=1))
    avi.release()
    whole = {ending: (folder / f"whole{ending}").read_bytes() for ending in (".mp4", ".avi")}

    def strike(draw: random.Random) -> bool:
        ending = draw.choice(sorted(whole))
        file = folder / f"a{ending}"
        file.write_bytes(spoil_bytes(whole[ending], draw))
        count = 0

        def read() -> bool:
            nonlocal count
            for frame in VideoReader(str(file)):
                holds(frame.dtype == np.uint8 and frame.ndim == 3, "a frame that is no picture")
                count += 1
                holds(count < 10_000, "a video without end")
            return True

        return ends_well(read) is not None

    return strike


ATTACKS = [Attack("pictures", pictures, 400), Attack("videos", videos, 60)]
