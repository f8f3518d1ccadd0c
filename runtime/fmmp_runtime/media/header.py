# SPDX-License-Identifier: Apache-2.0
"""What the first bytes of a picture say: its kind, its size, and how the camera was held.

OpenCV turns TIFF always, AVIF never, WebP from version 5 on, and nothing else in the mode that keeps
transparency (measured with 4.9, 4.11, 4.12 and 5.0). So pictures are decoded as they are stored, and turned
by what is read here. The size is known before memory is asked for.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

Size = tuple[int, int]  # height, width
_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101  # tags of TIFF, which EXIF is written in


class Header(NamedTuple):
    """A picture before it is decoded."""

    kind: str
    size_hw: Size  # as a viewer shows it, turned
    orientation: int = 1  # of EXIF, 1 to 8, to be applied to what OpenCV decodes


def read_header(data: bytes) -> Header | None:
    """The header of a picture file; None: of no kind that is known here, or cut off inside its header."""
    for magic, reader in _READERS:
        if re.match(magic, data, re.DOTALL):
            try:
                header = reader(data)
            except (struct.error, ValueError, LookupError):
                return None
            turned = header.orientation > 4  # the axes change places
            return header._replace(size_hw=header.size_hw[::-1]) if turned else header
    return None


def _jpeg(data: bytes) -> Header:
    size, orientation, position = None, 1, 2
    while size is None:
        while data[position : position + 2] == b"\xff\xff":  # before a marker, any number of them
            position += 1
        marker, length = struct.unpack_from(">xBH", data, position)
        body = data[position + 4 : position + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\0\0") and orientation == 1:
            orientation = _exif(body[6:])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame
            size = struct.unpack_from(">xHH", body)
        position += 2 + length
    return Header("JPEG", size, orientation)


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    exif, position = 1, 8
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"eXIf":
            exif = _exif(data[position + 8 : position + 8 + length])
        position += 12 + length
    return Header("PNG", (height, width), exif)


def _webp(data: bytes) -> Header:
    size, exif, position = None, 1, 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        if name == b"VP8X" and size is None:
            size = 1 + int.from_bytes(body[7:10], "little"), 1 + int.from_bytes(body[4:7], "little")
        elif name == b"VP8 " and size is None:
            width, height = struct.unpack_from("<HH", body, 6)
            size = height & 0x3FFF, width & 0x3FFF
        elif name == b"VP8L" and size is None:
            bits = int.from_bytes(body[1:5], "little")
            size = 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
        elif name == b"EXIF":
            exif = _exif(body)
        position += 8 + length + length % 2
    if size is None:
        raise ValueError("no size")
    return Header("WebP", size, exif)


def _tiff(data: bytes) -> Header:
    tags = dict(_tags(data))
    size = tags[_HEIGHT], tags[_WIDTH]
    # OpenCV turns a TIFF picture itself
    return Header("TIFF", size[::-1] if tags.get(_ORIENTATION, 1) in (5, 6, 7, 8) else size)


def _bmp(data: bytes) -> Header:
    old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return Header("BMP", (abs(height), width))


def _gif(data: bytes) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    return Header("GIF", (height, width))


def _avif(data: bytes) -> Header:
    """AVIF and HEIC: their own boxes turn the picture; an EXIF orientation beside them counts for nothing."""
    kind = "HEIC" if data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis") else "AVIF"
    size, turns, mirror = (0, 0), 0, None
    for name, body in _boxes(data, (b"meta", b"iprp", b"ipco")):
        if name == b"ispe":
            width, height = struct.unpack_from(">4xII", body)
            size = max(size, (height, width))
        elif name == b"irot":
            turns = body[0] & 3  # quarters, counter-clockwise
        elif name == b"imir":
            mirror = body[0] & 1  # after the turn; 1: left and right change places, 0: top and bottom
    if size == (0, 0):
        raise ValueError("no size")
    return Header(kind, size, {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}[mirror][turns])


def _jpeg2000(data: bytes) -> Header:
    if data.startswith(b"\xff\x4f"):
        right, below, left, above = struct.unpack_from(">IIII", data, 8)
        return Header("JPEG 2000", (below - above, right - left))
    exif = data.find(b"JpgTiffExif->JP2")  # the identifier of the box that holds it
    for name, body in _boxes(data, (b"jp2h",)):
        if name == b"ihdr":
            height, width = struct.unpack_from(">II", body)
            return Header("JPEG 2000", (height, width), _exif(data[exif + 16 :]) if exif >= 0 else 1)
    raise ValueError("no size")


def _netpbm(data: bytes) -> Header:
    text = re.sub(rb"#[^\n]*", b" ", data[:4096])
    if data.startswith(b"P7"):
        named = dict(re.findall(rb"(WIDTH|HEIGHT)\s+(\d{1,9})", text))
        if len(named) < 2:
            raise ValueError("no size")
        return Header("PNM", (int(named[b"HEIGHT"]), int(named[b"WIDTH"])))
    width, height = re.findall(rb"\s(\d{1,9})", text)[:2]
    return Header("PNM", (int(height), int(width)))


def _sun(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 4)
    return Header("Sun raster", (height, width))


_READERS = (
    (rb"\xff\xd8", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"RIFF....WEBP", _webp),
    (rb"II[*+]\0|MM\0[*+]", _tiff),
    (rb"BM", _bmp),
    (rb"GIF8[79]a", _gif),
    (rb"....ftyp", _avif),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", _jpeg2000),
    (rb"P[1-7]\s", _netpbm),
    (rb"\x59\xa6\x6a\x95", _sun),
)


def _boxes(data: bytes, inside: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """Boxes (name, body) of a file of the ISO base media format, with those in the boxes `inside`."""
    position = 0
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = position + length if length else len(data)
        body = data[start:end]
        if name in inside:
            yield from _boxes(body[4:] if name == b"meta" else body, inside)  # "meta" has a version first
        else:
            yield name, body
        if end <= position:
            return
        position = end


def _exif(data: bytes) -> int:
    """The orientation of an EXIF block; 1 where it says none, or nonsense."""
    try:
        found = dict(_tags(data.removeprefix(b"Exif\0\0"))).get(_ORIENTATION, 1)
    except (struct.error, ValueError):
        return 1
    return found if 1 <= found <= 8 else 1


def _tags(data: bytes) -> Iterator[tuple[int, int]]:
    """Tags with one whole number in the first directory of a TIFF file."""
    if data[:2] not in (b"II", b"MM"):
        raise ValueError("no TIFF")
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43  # BigTIFF
    count_of, start_at, entry, width = ("Q", 8, 20, 8) if big else ("H", 4, 12, 4)
    (start,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, start_at)
    (count,) = struct.unpack_from(f"{order}{count_of}", data, start)
    first = start + struct.calcsize(f"{order}{count_of}")
    for position in range(first, first + min(count, 4096) * entry, entry):
        tag, kind = struct.unpack_from(f"{order}HH", data, position)
        if kind in (3, 4):  # 16 and 32 bits
            value = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, position + entry - width)
            yield tag, value[0]
