# SPDX-License-Identifier: Apache-2.0
"""Photographs without annotations, for self-pairs."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fmmp_runtime.media.image import Image, read_image

# scikit-image's photographs that are CC0 or in the public domain; its motorcycle is left to the demonstration
PACKAGED = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "rocket.jpg")
_ENDINGS = {".jpg", ".jpeg", ".png"}
_LONGEST = 640  # pixels; a view is 256, and memory is finite
_SMALLEST = 64


def read_photographs(folders: Sequence[Path]) -> list[Image]:
    """Read all photographs in some folders and theirs, shrunk to 640 pixels; tiny ones are left out.

    Args:
        folders: none for scikit-image's own photographs.

    Raises:
        OSError: a folder or scikit-image is missing, or a file can't be read.
        ValueError: a file is no image, or there is none.
    """
    files = find_photographs(folders)
    photographs = [_shrink(read_image(file)) for file in files]
    usable = [photograph for photograph in photographs if min(photograph.shape[:2]) >= _SMALLEST]
    if not usable:
        names = ", ".join(map(str, folders))
        raise ValueError(f"{names}: no photograph of at least {_SMALLEST} pixels a side ({len(files)} files)")
    return usable


def find_photographs(folders: Sequence[Path]) -> list[Path]:
    """The files that `read_photographs` reads.

    Raises:
        OSError: a folder or scikit-image is missing.
    """
    if not folders:
        return packaged_photographs()
    return [file for folder in folders for file in _files_in(folder)]


def packaged_photographs() -> list[Path]:
    """Files that scikit-image ships.

    Raises:
        FileNotFoundError: it is not installed, or ships them no longer.
    """
    files = [photograph_folder() / name for name in PACKAGED]
    if missing := [file.name for file in files if not file.is_file()]:
        raise FileNotFoundError(
            f"this scikit-image lacks {', '.join(missing)}: give a folder of photographs (--photos)"
        )
    return files


def photograph_folder() -> Path:
    """Where scikit-image keeps the photographs that it installs; nothing of it is imported.

    Raises:
        FileNotFoundError: it is not installed.
    """
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "scikit-image's photographs are needed: pip install scikit-image; a training run can take a "
            "folder of others (--photos)"
        )
    return Path(spec.origin).parent / "data"


def _files_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"photographs: {folder} is not a folder")
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS)


def _shrink(image: Image) -> Image:
    scale = _LONGEST / max(image.shape[:2])
    if scale >= 1:
        return image
    size_wh = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
