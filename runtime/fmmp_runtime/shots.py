# SPDX-License-Identifier: Apache-2.0
"""How the supports of a category go together: how many a bundle takes, and what they show."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.bundle.specs import Model
from fmmp_runtime.pose import KeypointError, ShownBy


def repeats_of(count: int, model: Model) -> int:
    """How often each of `count` supports stands in the support graph: once where blank ones may fill it.

    Raises:
        ValueError: the bundle can't take so many.
    """
    allowed = [n for n in range(1, model.shots + 1) if model.shown_by == "any" or model.shots % n == 0]
    if count not in allowed:
        numbers = f"1 to {model.shots}" if model.shown_by == "any" else " or ".join(map(str, allowed))
        raise ValueError(
            f"this bundle takes {numbers} supports, got {count}: fmmp-export --shots N makes one for N"
        )
    return 1 if model.shown_by == "any" else model.shots // count


def known_of(
    visible: Sequence[NDArray[np.bool_]], shown_by: ShownBy, strict: bool, notes: list[str]
) -> NDArray[np.bool_]:
    """Which keypoints the network looks for, (K_c,); `notes` gets which it doesn't though a support shows it.

    Raises:
        KeypointError: none, and it is `strict`.
    """
    some: NDArray[np.bool_] = np.any(visible, axis=0)
    if shown_by == "any":
        return some
    known: NDArray[np.bool_] = np.all(visible, axis=0)
    if strict and not known.any():
        raise KeypointError(
            f"this model looks for keypoints that every support shows, and none of {len(known)} is shown by "
            f"all {len(visible)} supports: give supports that show the same ones"
        )
    if lost := np.flatnonzero(some & ~known).tolist():
        notes.append(f"not shown by every support, as this model needs it, so not looked for: {lost}")
    return known
