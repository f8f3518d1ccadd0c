# SPDX-License-Identifier: Apache-2.0
"""What an annotation is, whichever tool wrote it, and what was asked for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotation:
    """Keypoints of one object in one image, in pixels."""

    keypoints: NDArray[np.float64]  # (K_c, 2) x, y; 0, 0 for a hidden one without a position
    visible: NDArray[np.bool_]  # (K_c,)
    links: list[list[int]] | None  # None: the file names none
    box: list[float] | None  # x, y, width, height
    names: list[str] | None  # of the keypoints
    image: str | None  # file name, as the annotation gives it, with / between folders
    size_hw: tuple[int, int] | None = None  # of the image, as the file declares it
    units: str | None = None  # "pixels": the file says so, and nothing is guessed from the numbers
    notes: tuple[str, ...] = ()  # what was read otherwise than it stands there


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which of a file's annotations is wanted, and what the user says about them."""

    image: Path | None = None
    wanted: str = ""  # id behind the file's name
    links_from: int | None = None  # 0 or 1; None: as the file says
    size_hw: tuple[int, int] | None = None  # of the image, where it is there
