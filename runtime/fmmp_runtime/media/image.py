# SPDX-License-Identifier: Apache-2.0
"""Images in, crops out: every image is RGB uint8, (H, W, 3)."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.files import read_regular, write_atomically
from fmmp_runtime.media.decode import MOST_PIXELS, Image, ImageError, check_header, decode

__all__ = [
    "MOST_PIXELS",
    "Image",
    "ImageError",
    "check_image",
    "image_size",
    "read_image",
    "warp",
    "write_image",
]

log = logging.getLogger("fmmp_runtime")

LONGEST_SIDE = 32766  # of cv2.warpAffine, which counts pixels in 16 bits


def read_image(path: Path | str, *, most_pixels: int = MOST_PIXELS) -> Image:
    """Read a photograph as RGB.

    Grey becomes three equal channels, 16 bits become 8 (12 bits in 16 are stretched), transparency is laid
    over white, and the orientation that a camera writes into the file is applied, whatever the format. What
    was read otherwise than it stands there is logged as a warning, once a file.

    Args:
        path: a regular file: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF (OpenCV 4.12), JPEG 2000, PNM.
        most_pixels: a larger picture is refused before memory is asked for.

    Raises:
        OSError: there is no such file, it is no regular one, or it cannot be read.
        ImageError: empty, cut off, too large, not an image, or of floating point numbers.
    """
    file = Path(path)
    pixels, notes = decode(_bytes(file, most_pixels), str(file), most_pixels)
    for note in notes:
        _say(note)
    return pixels


def image_size(path: Path | str, *, most_pixels: int = MOST_PIXELS) -> tuple[int, int]:
    """Height and width of a photograph as `read_image` gives it, without decoding it.

    Raises:
        OSError, ImageError: as `read_image`.
    """
    file = Path(path)
    return check_header(_bytes(file, most_pixels), str(file), most_pixels).size_hw


def _bytes(file: Path, most_pixels: int) -> bytes:
    return read_regular(file, 8 * most_pixels + (64 << 20))  # 16 bits, four channels, and what stands beside


@lru_cache(maxsize=1024)
def _say(note: str) -> None:
    log.warning("%s", note)


def write_image(path: Path | str, image: Image) -> None:
    """Write RGB pixels in the format of the name's ending; the file is complete or not there.

    Raises:
        OSError: it cannot be written.
        ImageError: OpenCV knows no such ending.
    """
    file = Path(path)
    try:
        written, data = cv2.imencode(file.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error as error:
        raise ImageError(f"{file}: OpenCV cannot write {file.suffix!r} images; use .png or .jpg") from error
    if not written:
        raise ImageError(f"{file}: OpenCV could not encode a {image.shape[1]} x {image.shape[0]} image")
    write_atomically(file, data.tobytes(), durable=False)


def check_image(image: NDArray[Any], name: str = "image") -> Image:
    """Refuse an array that is not RGB uint8 (H, W, 3) of a size that can be cropped.

    Raises:
        ImageError: says what came instead.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        came = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(
            f"{name} must be RGB uint8 (H, W, 3), got {came}: read files with fmmp_runtime.read_image"
        )
    height, width = image.shape[:2]
    if min(height, width) < 1 or max(height, width) < 2:
        raise ImageError(f"{name} is {width} x {height} pixels: there is nothing to locate in it")
    if max(height, width) > LONGEST_SIDE:
        raise ImageError(
            f"{name} is {width} x {height} pixels: the longest side that works is {LONGEST_SIDE}"
        )
    return image


def warp(image: Image, matrix: ArrayLike, size: int, out: Image | None = None) -> Image:
    """Crop (size, size, 3) whose pixel p shows the image at matrix^-1 p, bilinear; black outside the image.

    Args:
        image: (H, W, 3).
        matrix: (2, 3), image pixels -> crop pixels (`crop_matrix`).
        size: side of the crop, pixels.
        out: (size, size, 3), contiguous, to write into; None: a new one.
    """
    crop = cv2.warpAffine(
        image, np.asarray(matrix, np.float64), (size, size), dst=out, flags=cv2.INTER_LINEAR
    )
    return np.asarray(crop, np.uint8)
