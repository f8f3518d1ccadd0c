# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a picture file to RGB pixels, turned as a viewer shows them."""

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.media.header import Header, read_header

Image = NDArray[np.uint8]  # (H, W, 3) RGB

MOST_PIXELS = 100_000_000  # of a picture, unless more are asked for: 10^8 pixels are 300 MB
_DEEP = 1 << 14  # 16 bit pictures below hold 14 bits or fewer, as those of many cameras do
_JPEG_END = b"\xff\xd9"
_FORMATS = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 or PNM"


class ImageError(ValueError):
    """A file or an array that is not an image the network can look at."""


def decode(data: bytes, name: str, most_pixels: int = MOST_PIXELS) -> tuple[Image, list[str]]:
    """Pixels of a picture, and notes on what was read otherwise than it stands there.

    Raises:
        ImageError: empty, cut off, too large, not an image, or of floating point numbers.
    """
    if not data:
        raise ImageError(f"{name} is empty (0 bytes)")
    header = check_header(data, name, most_pixels)
    notes = []
    if header.kind == "JPEG" and not _ends_as_jpeg(data):
        if not _holds_whole_scan(data):
            raise ImageError(f"{name} is cut off after {len(data)} bytes: copy it again")
        notes.append(f"{name} has no end marker; its pixels are all there")
        data += _JPEG_END
    if header.kind == "PNG" and b"IEND" not in data:
        raise ImageError(f"{name} is cut off after {len(data)} bytes: copy it again")
    pixels, more = _to_rgb(_decode(data, header, name), name)
    image = turn(pixels, header.orientation)
    # The limit of pixels and annotations go by the header. Of AVIF's parts it names the largest.
    if image.shape[:2] != header.size_hw and header.kind not in ("AVIF", "HEIC"):
        height, width = header.size_hw
        raise ImageError(
            f"{name} is damaged: its header says {width} x {height} pixels, in it are "
            f"{image.shape[1]} x {image.shape[0]}: copy it again"
        )
    return image, notes + more


def check_header(data: bytes, name: str, most_pixels: int = MOST_PIXELS) -> Header:
    """The header of a picture that may be decoded.

    Raises:
        ImageError: it is none, or one of more than `most_pixels` pixels.
    """
    header = read_header(data)
    if header is None:
        if data.startswith((b"\xff\xd8", b"\x89PNG")):
            raise ImageError(f"{name} is cut off after {len(data)} bytes: copy it again")
        if data.startswith(b"version https://git-lfs"):
            raise ImageError(f"{name} is no image but a Git LFS pointer to one: git lfs pull fetches it")
        raise ImageError(f"{name} is not an image that can be read here, {_FORMATS} (it starts {data[:8]!r})")
    height, width = header.size_hw
    if height * width > most_pixels:
        raise ImageError(
            f"{name} is {width} x {height} pixels, {height * width / 1e6:.0f} megapixels: too large, at most "
            f"{most_pixels / 1e6:.0f} are read unless more are allowed (fmmp-run --megapixels, most_pixels=N)"
        )
    return header


def turn(pixels: NDArray[Any], orientation: int) -> Image:
    """Pixels (H, W, 3) as they are shown, from as they are stored; `orientation` is EXIF's, 1 to 8."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels, np.uint8)


def _decode(data: bytes, header: Header, name: str) -> NDArray[Any]:
    """As OpenCV gives it, in its order of channels and not turned."""
    is_jpeg = header.kind == "JPEG"  # the colour mode knows CMYK; only the other one keeps transparency
    mode = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION if is_jpeg else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error as error:
        raise ImageError(f"{name} cannot be decoded: {error.err}") from error
    if pixels is None:
        raise ImageError(
            f"{name} is not an image that OpenCV {cv2.__version__} can decode ({header.kind}, {len(data)} "
            f"bytes, its first ones {data[:8]!r}): it is damaged, or convert it to PNG or JPEG"
        )
    return pixels


def _to_rgb(pixels: NDArray[Any], name: str) -> tuple[NDArray[Any], list[str]]:
    """OpenCV's (H, W), (H, W, 3) BGR or (H, W, 4) BGRA in 8 or 16 bits -> RGB uint8."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f"{name} holds {pixels.dtype} pixels, expected 8 or 16 bits: convert it to PNG or JPEG"
        )
    notes = []
    if pixels.dtype == np.uint16:
        colours = pixels[..., :3] if channels == 4 else pixels
        largest = int(colours.max(initial=0))
        if 0 < largest < _DEEP:
            notes.append(f"{name} has 16 bits and no value above {largest}: brightened so that this is white")
        scale = 255 / largest if notes else 1 / 257  # 65535 -> 255, rounded
        eight = cv2.convertScaleAbs(colours, alpha=scale)
        if channels == 4:
            opaque = int(pixels[..., 3].max(initial=0)) or 1
            alpha = 255 / opaque if notes and opaque < _DEEP else 1 / 257
            eight = np.dstack([eight, cv2.convertScaleAbs(pixels[..., 3], alpha=alpha)])
        pixels = eight
    if channels == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), notes
    if channels == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), notes
    if channels == 4:
        opacity = cv2.merge([np.ascontiguousarray(pixels[..., 3])] * 3)
        shade = cv2.multiply(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB), opacity, scale=1 / 255)
        return shade + (255 - opacity), notes
    raise ImageError(f"{name} has {channels} channels, expected 1, 3 or 4")


def _ends_as_jpeg(data: bytes) -> bool:
    """Whether a JPEG file has its end marker; OpenCV fills a cut-off picture with grey and says nothing.

    The search starts at the scan: the header may hold a whole preview picture of its own.
    """
    start = _scan(data)
    return (
        start is not None and data.find(_JPEG_END, start[0]) >= 0
    )  # in a scan, 0xFF is never followed by 0xD9


def _scan(data: bytes) -> tuple[int, bool] | None:
    """Where the first scan starts, and whether it is the only one; None: it is not there."""
    position, parts = 2, 0
    while position + 4 <= len(data) and data[position] == 0xFF:
        while data[position + 1] == 0xFF and position + 4 < len(data):  # before a marker, any number of them
            position += 1
        marker = data[position + 1]
        if marker in (0xC0, 0xC1):  # not progressive
            parts = data[position + 9]
        if marker == 0xDA:
            return position, data[position + 4] == parts
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None


def _holds_whole_scan(data: bytes) -> bool:
    """Whether only the end marker is missing: then whatever follows the scan changes no pixel.

    What follows are bytes of an image, with every restart marker in turn. A file that ends in zeros is one
    that was never written to its end.
    """
    scan = _scan(data)
    if scan is None or not scan[1] or data.endswith(bytes(16)):
        return False
    marks = [bytes((0xFF, 0xD0 + i % 8)) for i in range(64)]
    decoded = []
    for fill in (b"", b"\x55", b"\xa6\x13"):
        tail = b"".join(mark + fill * 64 for mark in marks) if fill else b""
        whole = np.frombuffer(data + fill * 64 + tail + _JPEG_END, np.uint8)
        decoded.append(cv2.imdecode(whole, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))
    first, *others = decoded
    return first is not None and all(d is not None and np.array_equal(d, first) for d in others)
