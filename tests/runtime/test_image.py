# SPDX-License-Identifier: Apache-2.0
"""Every kind of image file, and what is none; crops against a loop."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fmmp_runtime.media.image import LONGEST_SIDE, ImageError, check_image, read_image, warp, write_image
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


def test_orientation_of_a_camera_is_applied(tmp_path: Path) -> None:
    plain = cv2.imencode(".jpg", np.zeros((8, 24, 3), np.uint8))[1].tobytes()
    tag = (
        b"Exif\0\0MM\0*\0\0\0\x08" + b"\0\x01" + b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" + b"\0" * 4
    )  # turn by 90
    segment = b"\xff\xe1" + (len(tag) + 2).to_bytes(2, "big") + tag
    file = tmp_path / "a.jpg"
    file.write_bytes(plain[:2] + segment + plain[2:])
    assert read_image(file).shape == (24, 8, 3)


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
