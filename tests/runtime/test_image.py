# SPDX-License-Identifier: Apache-2.0
"""Every kind of image file, and what is none; crops against a loop."""

import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fmmp_runtime.media.header import read_header
from fmmp_runtime.media.image import (
    LONGEST_SIDE,
    ImageError,
    check_image,
    image_size,
    read_image,
    warp,
    write_image,
)
from fmmp_runtime.pose import crop_matrix, invert_matrix

PICTURE = np.random.default_rng(0).integers(0, 256, (13, 21, 3), dtype=np.uint8)


def _save(path: Path, pixels: NDArray[Any]) -> Path:
    """Write pixels as they are, channels in OpenCV's order."""
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".webp"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a{ending}"
    write_image(file, PICTURE)
    read = read_image(file)
    if ending == ".webp":  # lossy at OpenCV's default quality unless asked; colours may not be swapped
        assert np.abs(read.astype(int).mean((0, 1)) - PICTURE.mean((0, 1))).max() < 12
    else:
        np.testing.assert_array_equal(read, PICTURE)


def test_jpeg_keeps_red_red(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    write_image(file, np.full((16, 16, 3), (200, 30, 10), np.uint8))
    assert np.abs(read_image(file).astype(int) - (200, 30, 10)).max() <= 3  # JPEG's rounding of chroma


def test_grey(tmp_path: Path) -> None:
    read = read_image(_save(tmp_path / "a.png", PICTURE[..., 0]))
    np.testing.assert_array_equal(read, PICTURE[..., [0, 0, 0]])


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0] = [[30, 20, 10, 255], [30, 20, 10, 0], [0, 100, 200, 51]]  # B, G, R, alpha
    read = read_image(_save(tmp_path / "a.png", pixels))
    # a fifth of (200, 100, 0) and four fifths of white, rounded
    assert read[0].tolist() == [[10, 20, 30], [255, 255, 255], [244, 224, 204]]


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 4)])
def test_sixteen_bits(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = np.array([0, 257 * 77 + 128, 257 * 77 + 129, 65535], np.uint16)  # 77.498, 77.502
    if len(shape) == 2:
        pixels = np.repeat(pixels[:, None], shape[1], 1)
        pixels[:, 3:] = 65535  # opaque
    read = read_image(_save(tmp_path / "a.png", pixels[None]))
    assert read.dtype == np.uint8
    assert read[0].tolist() == [[0] * 3, [77] * 3, [78] * 3, [255] * 3]


BLOCKS = np.repeat(np.repeat(PICTURE[:2, :3] // 128 * 200, 16, 0), 16, 1)  # 32 x 48, six colours


def _exif(orientation: int, order: str = ">") -> bytes:
    """An EXIF block with one tag."""
    start = struct.pack(f"{order}2sHI", b"MM" if order == ">" else b"II", 42, 8)
    return start + struct.pack(f"{order}HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def _oriented(kind: str, orientation: int, pixels: NDArray[Any]) -> bytes:
    """A picture file with an EXIF orientation."""
    exif = _exif(orientation)
    if kind == "jpg":
        plain = cv2.imencode(".jpg", pixels[..., ::-1])[1].tobytes()
        body = b"Exif\0\0" + exif
        return plain[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:]
    if kind == "png":
        plain = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
        chunk = b"eXIf" + exif
        whole = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return plain[:33] + whole + plain[33:]
    plain = bytes(cv2.imencode(".webp", pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])[1])
    start = plain.index(b"VP8L")  # without what the encoder may have put before it
    height, width = (side - 1 for side in pixels.shape[:2])
    extended = b"\x08\0\0\0" + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    length = 8 + int.from_bytes(plain[start + 4 : start + 8], "little")
    image = plain[start : start + length + length % 2]
    chunks = b"WEBPVP8X\x0a\0\0\0" + extended + image + b"EXIF" + struct.pack("<I", len(exif)) + exif
    return bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_camera_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    """Field row 3. EXIF says where the first row and the first column of the stored picture belong."""
    rows, columns = {  # of the shown picture, read off the specification's table
        1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left",
        5: "left top", 6: "right top", 7: "right bottom", 8: "left bottom",
    }[orientation].split()  # fmt: skip
    shown = BLOCKS
    stored = shown if rows in ("top", "bottom") else shown.transpose(1, 0, 2)
    if rows in ("bottom", "right"):
        stored = stored[::-1]
    if columns in ("bottom", "right"):
        stored = stored[:, ::-1]
    file = tmp_path / f"a.{kind}"
    file.write_bytes(_oriented(kind, orientation, stored))
    assert image_size(file) == shown.shape[:2]
    read = read_image(file).astype(int)
    if kind == "jpg":  # its chroma runs over the borders of the blocks; their middles are off by rounding
        np.testing.assert_allclose(read[8::16, 8::16], shown[8::16, 8::16], rtol=0, atol=3)
    else:
        np.testing.assert_array_equal(read, shown)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_of_tiff_is_applied_once(tmp_path: Path, orientation: int) -> None:
    """OpenCV turns this format itself."""
    stored = {1: BLOCKS, 3: BLOCKS[::-1, ::-1], 6: np.rot90(BLOCKS), 8: np.rot90(BLOCKS, -1)}[orientation]
    height, width = stored.shape[:2]
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 200), (274, 3, 1, orientation), (277, 3, 1, 3), (278, 4, 1, height)]
    tags += [(279, 4, 1, stored.size), (284, 3, 1, 1)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    file = tmp_path / "a.tif"
    file.write_bytes((struct.pack("<2sHI", b"II", 42, 8) + directory).ljust(200, b"\0") + stored.tobytes())
    assert image_size(file) == BLOCKS.shape[:2]
    np.testing.assert_array_equal(read_image(file), BLOCKS)


@pytest.mark.parametrize(
    ("turns", "mirror", "orientation"), [(0, None, 1), (3, None, 6), (1, 1, 7), (2, 0, 2)]
)
def test_boxes_of_avif_turn_it(turns: int, mirror: int | None, orientation: int) -> None:
    """`irot` is counter-clockwise and comes before `imir`; size and orientation follow from both."""

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), name) + body

    properties = box(b"ispe", struct.pack(">III", 0, 48, 32)) + box(b"irot", bytes([turns]))
    properties += box(b"imir", bytes([mirror])) if mirror is not None else b""
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", properties)))
    header = read_header(box(b"ftyp", b"avif\0\0\0\0") + meta)
    assert header == ("AVIF", (48, 32) if orientation > 4 else (32, 48), orientation)


def test_nonsense_in_place_of_an_orientation_is_none(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    for orientation in (0, 9, 65535):
        file.write_bytes(_oriented("jpg", orientation, BLOCKS))
        assert read_image(file).shape == BLOCKS.shape
    file.write_bytes(_oriented("jpg", 6, BLOCKS).replace(b"MM\0*", b"XX\0*"))
    assert read_image(file).shape == BLOCKS.shape


@pytest.mark.parametrize("largest", [1023, 4095, 16383])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_twelve_bits_in_sixteen_are_stretched(
    tmp_path: Path, largest: int, channels: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Field row 16: they were black."""
    pixels = np.array([[0, largest // 2, largest]], np.uint16)[..., None].repeat(channels, 2)
    pixels[..., 3:] = 65535
    read = read_image(_save(tmp_path / f"{largest}-{channels}.png", pixels))
    assert read[0, :, 0].tolist() in ([0, 127, 255], [0, 128, 255])
    assert f"no value above {largest}: brightened" in caplog.text


@pytest.mark.parametrize("interval", [0, 2])
def test_jpeg_without_its_end_marker_is_read(
    tmp_path: Path, interval: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Field row 16; cut anywhere before its end, it is refused (`test_cut_off_file`)."""
    flags = [cv2.IMWRITE_JPEG_RST_INTERVAL, interval]
    data = cv2.imencode(".jpg", np.tile(PICTURE, (5, 5, 1)), flags)[1].tobytes()
    file = tmp_path / f"{interval}.jpg"
    file.write_bytes(data)
    whole = read_image(file)
    assert not caplog.records
    file.write_bytes(data[:-2])
    np.testing.assert_array_equal(read_image(file), whole)
    assert "no end marker" in caplog.text
    for end in (-4, -40, *(m.start() for m in re.finditer(rb"\xff[\xd0-\xd7]", data))):
        file.write_bytes(data[:end])
        with pytest.raises(ImageError, match="is cut off"):
            read_image(file)
    file.write_bytes(data[:-60] + bytes(60))  # never written to its end
    with pytest.raises(ImageError, match="is cut off"):
        read_image(file)


def _claims(kind: str) -> bytes:
    """A small file that says it holds 20000 x 20000 pixels."""
    side = 20000
    if kind == "png":

        def chunk(name: bytes, body: bytes) -> bytes:
            return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(side))) + chunk(b"IEND", b"")
    if kind == "jpg":
        data = cv2.imencode(".jpg", BLOCKS)[1].tobytes()
        at = data.index(b"\xff\xc0") + 5
        return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]
    return {
        "bmp": b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, side, -side, 1, 24, 0) + bytes(24),
        "gif": b"GIF89a" + struct.pack("<HH", side, side) + bytes(20),
        "ppm": b"P6 # a comment\n20000 20000\n255\n" + bytes(20),
        "pam": b"P7\nWIDTH 20000\nHEIGHT 20000\nDEPTH 3\nMAXVAL 255\nENDHDR\n" + bytes(20),
        "ras": struct.pack(">8I", 0x59A66A95, side, side, 24, 0, 2, 0, 0),
        "jp2": b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 41, 0, side, side, 0, 0) + bytes(40),
    }[kind]


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "gif", "ppm", "pam", "ras", "jp2"])
def test_too_many_pixels_are_refused_before_memory_is_asked_for(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(_claims(kind))
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(ImageError, match=r"20000 x 20000 pixels, 400 megapixels: too large, at most 100"):
        read_image(file)


def test_the_limit_is_an_argument(tmp_path: Path) -> None:
    file = _save(tmp_path / "a.png", PICTURE)
    with pytest.raises(ImageError, match=r"21 x 13 pixels.* too large"):
        read_image(file, most_pixels=13 * 21 - 1)
    assert read_image(file, most_pixels=13 * 21).shape == PICTURE.shape


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(OSError, match="is not a regular file"):
            read_image(path)
    with pytest.raises(IsADirectoryError, match="is a folder, expected a file"):
        read_image(tmp_path)
    (tmp_path / "hole.png").touch()
    os.truncate(tmp_path / "hole.png", 10**10)
    with pytest.raises(OSError, match="10000 MB, too large"):
        read_image(tmp_path / "hole.png")


def test_one_pixel_is_read_but_nothing_to_look_at(tmp_path: Path) -> None:
    one = read_image(_save(tmp_path / "a.png", PICTURE[:1, :1]))
    assert one.shape == (1, 1, 3)
    with pytest.raises(ImageError, match="frame is 1 x 1 pixels: there is nothing to locate"):
        check_image(one, "frame")


def test_thirty_megapixels(tmp_path: Path) -> None:
    large = np.zeros((5000, 6000, 3), np.uint8)
    large[2400:2600, 2900:3100] = (255, 0, 0)
    write_image(tmp_path / "a.jpg", large)
    read = read_image(tmp_path / "a.jpg")
    assert read.shape == (5000, 6000, 3)
    crop = warp(check_image(read), crop_matrix([2900, 2400, 200, 200], 64, 1.0), 64)
    assert crop[8:-8, 8:-8, 0].min() > 240
    assert crop[8:-8, 8:-8, 1:].max() < 15


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_image(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"GIF89a", "is not an image|cannot be decoded"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"hello world", r"is not an image .*b'hello wo'"),
        (b"\xff\xd8\xff", "is cut off after 3 bytes"),
        (b"\x89PNG\r\n\x1a\n", "is cut off after 8 bytes"),
    ],
)
def test_no_image(tmp_path: Path, data: bytes, says: str) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(data)
    with pytest.raises(ImageError, match=says):
        read_image(file)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_cut_off_file(tmp_path: Path, ending: str, share: float) -> None:
    file = tmp_path / f"a{ending}"
    write_image(file, np.tile(PICTURE, (10, 10, 1)))
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match="is cut off"):
        read_image(file)


def test_header_and_pixels_must_agree(tmp_path: Path) -> None:
    """The limit of pixels goes by the header, which decoders may read otherwise."""
    data = cv2.imencode(".ppm", PICTURE)[1].tobytes()
    (tmp_path / "a.ppm").write_bytes(data.replace(b"21 13", b"21`13", 1))
    with pytest.raises(ImageError, match=r"its header says 21 x 255 pixels, in it are 21 x 13"):
        read_image(tmp_path / "a.ppm")


def test_preview_in_the_header_does_not_hide_a_cut(tmp_path: Path) -> None:
    """The header of a camera's JPEG holds a small JPEG with an end marker of its own."""
    whole = cv2.imencode(".jpg", np.tile(PICTURE, (5, 5, 1)))[1].tobytes()
    preview = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    header = b"\xff\xe2" + (len(preview) + 2).to_bytes(2, "big") + preview
    file = tmp_path / "a.jpg"
    file.write_bytes(whole[:2] + header + whole[2:])
    assert read_image(file).shape == (65, 105, 3)
    file.write_bytes((whole[:2] + header + whole[2:])[:-200])
    with pytest.raises(ImageError, match="is cut off"):
        read_image(file)


def test_a_marker_may_have_fill_bytes_before_it(tmp_path: Path) -> None:
    whole = cv2.imencode(".jpg", np.tile(PICTURE, (5, 5, 1)))[1].tobytes()
    file = tmp_path / "a.jpg"
    file.write_bytes(whole[:2] + b"\xff\xff" + whole[2:])
    assert read_image(file).shape == (65, 105, 3)
    file.write_bytes(b"\xff\xd8" + b"\xff" * 9)
    with pytest.raises(ImageError, match="is cut off"):
        read_image(file)


def test_floating_point_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="float32 pixels, expected 8 or 16 bits"):
        read_image(_save(tmp_path / "a.tif", np.ones((4, 4, 3), np.float32)))


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 4), np.uint8), r"got uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"got uint8 \(4, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"got float32 \(4, 4, 3\)"),
        ([[1, 2, 3]], "got list"),
        (np.zeros((0, 0, 3), np.uint8), "0 x 0 pixels"),
        (np.zeros((1, LONGEST_SIDE + 1, 3), np.uint8), f"longest side that works is {LONGEST_SIDE}"),
    ],
)
def test_wrong_array_is_named(image: NDArray[Any], says: str) -> None:
    with pytest.raises(ImageError, match=says):
        check_image(image)


def test_longest_side_works() -> None:
    wide = np.full((2, LONGEST_SIDE, 3), 9, np.uint8)
    matrix = crop_matrix([0, 0, LONGEST_SIDE - 1, 1], 256, 1.0)
    assert warp(wide, matrix, 256).max() == 9


def test_unknown_ending_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"cannot write '\.xyz' images; use \.png or \.jpg"):
        write_image(tmp_path / "a.xyz", PICTURE)


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_warp_matches_bilinear_loop(rotation: float) -> None:
    """Height and width differ, so that a swap shows; most of the crop lies outside the image."""
    size = 24
    matrix = crop_matrix([4, 2, 9, 7], size, 1.25, rotation_deg=rotation)
    back = invert_matrix(matrix)
    height, width = PICTURE.shape[:2]
    expected = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            x, y = back[:, :2] @ (column, row) + back[:, 2]
            left, top = int(np.floor(x)), int(np.floor(y))
            for cell_x, cell_y in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
                if 0 <= cell_x < width and 0 <= cell_y < height:
                    share = (1 - abs(x - cell_x)) * (1 - abs(y - cell_y))
                    expected[row, column] += share * PICTURE[cell_y, cell_x]
    difference = np.abs(warp(PICTURE, matrix, size) - expected)
    # OpenCV rounds a position to 1/32 pixel: in each axis 1/64 of the largest step between neighbours, 255
    assert difference.max() <= 2 * 255 / 64 + 0.5
    assert difference.mean() < 2
