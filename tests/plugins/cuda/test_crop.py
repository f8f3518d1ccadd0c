# SPDX-License-Identifier: Apache-2.0
"""The crop's own CUDA source on the CPU, through the library's C function, as the Python runtime calls it."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fmmp_runtime.backends.crops import SOURCE
from fmmp_runtime.pose import crop_matrix, invert_matrix
from tests.plugins.cuda.driver import COMPILER, HERE, HOST_FLAGS, PLUGINS, require_stand_in

pytestmark = pytest.mark.slow

Image = NDArray[np.uint8]
SIZE = 256
# The kernel rounds shares to float32 (2^-25 of a pixel) and sums four products: below 1e-4 of a grey level,
# so only what lies so near to halfway may be rounded the other way.
HALFWAY = 1e-4
# OpenCV 5 takes places in float32: 1 level in 3 of 10,000 values. OpenCV 4.10 took them in steps of 1/32 px.
OPENCV_LEVELS = 1 if int(cv2.__version__.split(".")[0]) >= 5 else 8
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The crop of libfmmp_tensorrt, compiled against the host stand-in for CUDA."""
    require_stand_in()
    target = tmp_path_factory.mktemp("crop") / "libcrop.so"
    includes = [f"-I{path}" for path in (HERE / "standin", PLUGINS / "include", PLUGINS / "src")]
    checks = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all", "-shared", "-fPIC")
    files = ("-x", "c++", PLUGINS / "src" / "cuda/crop.cu", PLUGINS / "tensorrt" / "crop.cpp")
    subprocess.run([COMPILER, *HOST_FLAGS, *checks, *includes, *files, "-o", target], check=True)
    loaded = ctypes.CDLL(str(target))
    loaded.fmmp_crop.argtypes = (
        *(ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32),
        ctypes.c_void_p,
    )
    return loaded


def crops(
    library: ctypes.CDLL, frames: list[Image], matrices: list[NDArray[np.float64]], size: int = SIZE
) -> Image:
    """Crops (N, size, size, 3); the memory around frames and crops is 255 and stays so."""
    sources = np.zeros(len(frames), SOURCE)
    kept = []
    for source, frame, matrix in zip(sources, frames, matrices, strict=True):
        height, width, _ = frame.shape
        around = np.full((height + 2, 3 * width + 30), 255, np.uint8)
        around[1 : height + 1, 15 : 15 + 3 * width] = frame.reshape(height, 3 * width)
        kept.append(around)
        source["pixels"] = around[1:, 15:].ctypes.data
        source["height"], source["width"], source["row_bytes"] = height, width, around.strides[0]
        source["inverse"] = invert_matrix(matrix)
    made = np.full(len(frames) * size * size * 3 + 20, 255, np.uint8)
    status = library.fmmp_crop(sources.ctypes.data, len(frames), made[10:].ctypes.data, size, None)
    assert status == 0
    assert (made[:10] == 255).all()
    assert (made[-10:] == 255).all()
    return made[10:-10].reshape(len(frames), size, size, 3)


def by_definition(frame: Image, matrix: NDArray[np.float64], size: int = SIZE) -> NDArray[np.float64]:
    """The grey levels before rounding, in float64: a weighted sum over all pixels that a place touches."""
    height, width, _ = frame.shape
    y, x = np.mgrid[:size, :size].astype(np.float64)
    to_image = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    u, v, _ = np.einsum("ij,jyx->iyx", to_image, np.stack([x, y, np.ones_like(x)]))
    total = np.zeros((size, size, 3))
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = np.floor(u) + dx, np.floor(v) + dy
            weight = (1 - np.abs(u - column)) * (1 - np.abs(v - row))
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            pixel = frame[np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int)]
            total += np.where(inside, weight, 0)[..., None] * pixel
    return total


def matrices(height: int, width: int) -> list[NDArray[np.float64]]:
    """Whole image, a detail, over the border, turned, far outside."""
    boxes: list[list[float]] = [
        [0, 0, width - 1, height - 1],
        [width * 0.3, height * 0.4, width * 0.1 + 3, height * 0.15 + 3],
        [width * 0.8, height * 0.7, width * 0.2, height * 0.3],
    ]
    found = [crop_matrix(box, SIZE) for box in boxes]
    found.append(crop_matrix(boxes[0], SIZE, rotation_deg=33))
    found.append(crop_matrix([1e6, -1e6, 50, 50], SIZE))
    return found


@pytest.mark.parametrize("size_hw", [(480, 640), (37, 51), (2, 1), (720, 1280), (1, 300)])
def test_grey_levels_are_the_exact_ones_rounded(library: ctypes.CDLL, size_hw: tuple[int, int]) -> None:
    frame = RNG.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    chosen = matrices(*size_hw)
    for found, matrix in zip(crops(library, [frame] * len(chosen), chosen), chosen, strict=True):
        exact = by_definition(frame, matrix)
        assert np.abs(found - exact).max() <= 0.5 + HALFWAY
    assert not found.any()  # the last one lies outside


def test_near_what_opencv_makes(library: ctypes.CDLL) -> None:
    """Noise is the worst there is: neighbours differ by up to 255."""
    frame = RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    chosen = matrices(480, 640)
    for found, matrix in zip(crops(library, [frame] * len(chosen), chosen), chosen, strict=True):
        other = cv2.warpAffine(frame, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR).astype(int)
        assert np.abs(found - other).max() <= OPENCV_LEVELS


def test_many_frames_of_any_size(library: ctypes.CDLL) -> None:
    """Crops of 50 x 50 end in the middle of a block."""
    frames = [RNG.integers(0, 256, (50 + 9 * n, 80 - 7 * n, 3), dtype=np.uint8) for n in range(5)]
    chosen = [crop_matrix([3, 4, 30 + n, 20], 50) for n in range(5)]
    for found, frame, matrix in zip(crops(library, frames, chosen, 50), frames, chosen, strict=True):
        assert np.abs(found - by_definition(frame, matrix, 50)).max() <= 0.5 + HALFWAY


def test_a_source_without_pixels_is_black(library: ctypes.CDLL) -> None:
    sources = np.zeros(2, SOURCE)
    sources["inverse"][1] = np.nan
    made = np.full(2 * 64 * 64 * 3, 7, np.uint8)
    assert library.fmmp_crop(sources.ctypes.data, 2, made.ctypes.data, 64, None) == 0
    assert not made.any()


@pytest.mark.parametrize(
    ("count", "size", "status"), [(0, 64, 0), (1, 0, 0), (-1, 64, 1), (1, -1, 1), (65536, 1, 1)]
)
def test_sizes(library: ctypes.CDLL, count: int, size: int, status: int) -> None:
    nothing: Any = None
    assert library.fmmp_crop(nothing, count, nothing, size, None) == status


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_none_read_nothing(library: ctypes.CDLL, fault: float) -> None:
    frame = np.full((20, 20, 3), 9, np.uint8)
    sources = np.zeros(1, SOURCE)
    sources["pixels"], sources["height"], sources["width"], sources["row_bytes"] = (
        frame.ctypes.data,
        20,
        20,
        60,
    )
    sources["inverse"] = fault
    made = np.full(64 * 64 * 3, 7, np.uint8)
    assert library.fmmp_crop(sources.ctypes.data, 1, made.ctypes.data, 64, None) == 0
    assert not made.any()


def test_the_library_has_it(plugin_library: Path) -> None:
    assert ctypes.CDLL(str(plugin_library)).fmmp_crop


@pytest.mark.gpu
def test_on_a_gpu_as_on_the_cpu(gpu: None, plugin_library: Path, library: ctypes.CDLL) -> None:
    """Through PyCUDA, as the runtime does it."""
    pytest.importorskip("pycuda", reason="needs PyCUDA: pip install 'fmmp[tensorrt]'")
    from fmmp_runtime.backends.cuda import CudaDevice

    frame = RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    chosen = matrices(480, 640)
    device = CudaDevice(plugin_library)
    sources = np.zeros(len(chosen), SOURCE)
    made = np.zeros((len(chosen), SIZE, SIZE, 3), np.uint8)
    with device.current():
        pixels, records = device.allocate(frame.nbytes), device.allocate(sources.nbytes)
        target = device.allocate(made.nbytes)
        sources["pixels"], sources["height"], sources["width"] = pixels, 480, 640
        sources["row_bytes"] = 3 * 640
        sources["inverse"] = [invert_matrix(matrix) for matrix in chosen]
        device.upload(pixels, frame)
        device.upload(records, sources.view(np.uint8))
        device.replay(device.record(lambda: device.crop(target, records, len(chosen), SIZE)))
        device.download(made, target)
        device.wait()
    for found, matrix in zip(made, chosen, strict=True):
        assert np.abs(found - by_definition(frame, matrix)).max() <= 0.5 + HALFWAY
