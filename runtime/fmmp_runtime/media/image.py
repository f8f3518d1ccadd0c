# SPDX-License-Identifier: Apache-2.0
"""Images in, crops out: every image is RGB uint8, (H, W, 3)."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.files import write_atomically

Image = NDArray[np.uint8]  # (H, W, 3) RGB

LONGEST_SIDE = 32766  # of cv2.warpAffine, which counts pixels in 16 bits


class ImageError(ValueError):
    """A file or an array that is not an image the network can look at."""


def read_image(path: Path | str) -> Image:
    """Read a photograph as RGB.

    Grey becomes three equal channels, 16 bits become 8, transparency is laid over white, and the orientation
    that a camera writes into a JPEG file is applied.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ImageError: empty, cut off, not an image, or of floating point numbers.
    """
    file = Path(path)
    data = file.read_bytes()
    if not data:
        raise ImageError(f"{file} is empty (0 bytes)")
    is_jpeg = data.startswith(b"\xff\xd8")
    if not (_ends_as_jpeg(data) if is_jpeg else _ends_as_png(data)):
        raise ImageError(f"{file} is cut off after {len(data)} bytes: copy it again")
    # Only this mode keeps transparency, and it ignores the orientation, which in practice JPEG files carry.
    mode = cv2.IMREAD_COLOR if is_jpeg else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error as error:
        raise ImageError(f"{file} cannot be decoded: {error.err}") from error
    if pixels is None:
        raise ImageError(f"{file} is not an image that OpenCV can decode (its first bytes: {data[:8]!r})")
    return _to_rgb(pixels, file)


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
    write_atomically(file, data.tobytes())


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


def _to_rgb(pixels: NDArray[Any], file: Path) -> Image:
    """OpenCV's (H, W), (H, W, 3) BGR or (H, W, 4) BGRA in 8 or 16 bits -> RGB uint8."""
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)  # 65535 -> 255, rounded
    if pixels.dtype != np.uint8:
        raise ImageError(
            f"{file} holds {pixels.dtype} pixels, expected 8 or 16 bits: convert it to PNG or JPEG"
        )
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    if channels == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    if channels == 4:
        alpha = cv2.merge([pixels[..., 3]] * 3)
        shade = cv2.multiply(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB), alpha, scale=1 / 255)
        return np.asarray(shade + (255 - alpha), np.uint8)
    raise ImageError(f"{file} has {channels} channels, expected 1, 3 or 4")


def _ends_as_png(data: bytes) -> bool:
    """Whether a PNG file has its last chunk; True for what is no PNG file."""
    return not data.startswith(b"\x89PNG") or b"IEND" in data


def _ends_as_jpeg(data: bytes) -> bool:
    """Whether a JPEG file has its end marker; OpenCV fills a cut-off picture with grey and says nothing.

    The search starts behind the header, which may hold a whole preview picture of its own.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        while data[position + 1] == 0xFF and position + 4 < len(data):  # before a marker, any number of them
            position += 1
        if data[position + 1] == 0xDA:  # the scan: in it, 0xFF is never followed by 0xD9
            return data.find(b"\xff\xd9", position) >= 0
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False
