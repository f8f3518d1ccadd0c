# SPDX-License-Identifier: Apache-2.0
"""How far a deployed network may be from the one in PyTorch: what is measured, limits with their causes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.bundle.specs import Answer, BundleError, Model, Precision

PCK_THRESHOLD = 0.05  # the strictest of the metric

# Two float32 implementations of this network differ by about 1e-5 after three layers; 1e-4 is 0.026 px.
MAX_FLOAT = 1e-4
# Where points are cells of a heat map, float32 too picks another where two are equally high, and moves by a
# quarter of a cell on the sign of a slope that is 0. 99 of 100 are the same: 1e-4 of a crop of 256 pixels.
MAX_CELLS_P99_PX = 0.026
# Half precision on a trained model: half a pixel for 99 of 100 keypoints, and as many of them right.
MAX_P99_PX = 0.5
MAX_PCK_CHANGE = 0.2
# Eight bits in the backbone move points by pixels: what counts is how many of them are lost.
MAX_PCK_LOSS = 1.0
# A score is a logistic function of logarithms of steps down to 1e-3: 1e-4 in a point may be 0.1 in it.
MAX_SCORE = 0.1
# The cached graphs round as the whole one does, but for a value on an edge that may fall to either side.
MAX_CACHED = 1e-3
# Fits differ by 0.2 within a frame. A keypoint's cell is a whole number: one of 70, on an edge, may
# be the next in another rounding.
MAX_SEARCH_FLOAT, MAX_SEARCH = 1e-2, 3e-2
# Where a precision has no limit of its own, what the export found; on another processor a little more.
MORE_THAN_FOUND = 2.0


@dataclass(frozen=True)
class Limit:
    """A number that must not be too large; NaN is."""

    what: str
    found: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether it is not."""
        return self.found <= self.allowed

    def __str__(self) -> str:
        """The number and its limit, in words."""
        return f"{self.what} is {self.found:.2g}, at most {self.allowed:.3g} is allowed"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far answers are from PyTorch's, over all that was asked."""

    max_px: float  # last layer
    p99_px: float  # last layer
    per_layer_max: list[float]  # in [0, 1]
    score_max: float


@dataclass(frozen=True, kw_only=True)
class Share:
    """PCK at `PCK_THRESHOLD` of PyTorch and of what is deployed, on the same pairs."""

    torch: float  # percent
    bundle: float
    pairs: int

    def __str__(self) -> str:
        """Both, with what they are of."""
        found = f"PCK@{PCK_THRESHOLD:g} {self.bundle:.1f} against {self.torch:.1f}"
        return f"{found} on {self.pairs} pairs of images"


def summarise(
    difference: NDArray[np.float64], score_difference: NDArray[np.floating], image_size: int
) -> Difference:
    """Summarise differences (L, N, K, 2) of points in [0, 1], and (N, K) of scores."""
    pixels = np.linalg.norm(difference[-1], axis=-1) * image_size
    return Difference(
        max_px=float(pixels.max()),
        p99_px=float(np.percentile(pixels, 99)),
        per_layer_max=np.abs(difference).max(axis=(1, 2, 3)).tolist(),
        score_max=float(np.abs(score_difference).max()),
    )


def limits(
    precision: Precision, difference: Difference, share: Share, answer: Answer = "points"
) -> list[Limit]:
    """What an export must keep to, where PyTorch is there to say what is right."""
    loss = share.torch - share.bundle
    if precision == "int8":
        return [Limit(f"loss of PCK@{PCK_THRESHOLD:g} in points", loss, MAX_PCK_LOSS)]
    change = Limit(f"change of PCK@{PCK_THRESHOLD:g} in points", abs(loss), MAX_PCK_CHANGE)
    if precision == "fp16":
        return [_shift(difference, MAX_P99_PX), change]
    return [*_float(difference, answer), *([change] if answer == "cells" else [])]


def limits_in_use(model: Model, difference: Difference) -> list[Limit]:
    """What a bundle must keep to on any machine, asked what it was asked when it was exported."""
    if model.precision == "fp32":
        return _float(difference, model.answer)
    p99_px = MAX_P99_PX if model.precision == "fp16" else _exported(model, "p99_px")
    return [_shift(difference, p99_px), _score(difference, max(MAX_SCORE, _exported(model, "score_max")))]


def cached_limit(precision: Precision, found: float) -> Limit:
    """What support and query graph together may differ from the whole one, in [0, 1]."""
    allowed = MAX_FLOAT if precision == "fp32" else MAX_CACHED
    return Limit("difference between cached and whole", found, allowed)


def search_limit(precision: Precision, found: float) -> Limit:
    """What the search graph's fits may differ from PyTorch's, in cosine."""
    allowed = MAX_SEARCH_FLOAT if precision == "fp32" else MAX_SEARCH
    return Limit("largest difference of the search", found, allowed)


def faults(checks: Sequence[Limit]) -> list[str]:
    """What is beyond its limit, in words; empty: it gives what PyTorch gives."""
    return [str(check) for check in checks if not check.holds]


def _float(difference: Difference, answer: Answer) -> list[Limit]:
    """What float32 must keep to."""
    points = _shift(difference, MAX_CELLS_P99_PX) if answer == "cells" else _layers(difference)
    return [points, _score(difference, MAX_SCORE)]


def _layers(difference: Difference) -> Limit:
    return Limit("largest difference of a layer", float(np.max(difference.per_layer_max)), MAX_FLOAT)


def _shift(difference: Difference, allowed: float) -> Limit:
    return Limit("99th percentile of the shift in pixels", difference.p99_px, allowed)


def _score(difference: Difference, allowed: float) -> Limit:
    return Limit("largest difference of a score", difference.score_max, allowed)


def _exported(model: Model, what: str) -> float:
    """The most that may come of what the export measured."""
    found = [entry.get(what) for entry in model.parity.values()]
    numbers = [float(each) for each in found if isinstance(each, int | float) and each is not True]
    if not numbers or len(numbers) < len(found):
        raise BundleError(f"the parity of {model.name} in model.json says no {what}: export it again")
    return MORE_THAN_FOUND * max(numbers)
