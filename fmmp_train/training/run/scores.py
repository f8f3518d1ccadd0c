# SPDX-License-Identifier: Apache-2.0
"""The scores of a run's weights, made honest at its end in a bounded share of its time."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open

from fmmp_runtime.files import write_atomically
from fmmp_train.calibration.calibrate import SYNTHETIC, calibrate_file
from fmmp_train.evaluation.pairs import Pair

LOGGER = logging.getLogger("fmmp.train")
LEAST = 32  # pairs and synthetic categories; fewer say too little of a score


def calibrate_run(last: Path, best: Path, pairs: Sequence[Pair], *, most: float) -> None:
    """Fit the scores of both files, which are often the same weights.

    How many pairs follows from the recipe and not from a clock, so that a repeated run gives the same bits.

    Args:
        last: the weights at the end.
        best: those of the best validation.
        pairs: of the validation; evenly many of them are left out where they are too many.
        most: pairs and synthetic categories that may be asked, over both files.
    """
    is_same = _step(last) == _step(best)
    share = min(1.0, most / (1 if is_same else 2) / (len(pairs) + SYNTHETIC))
    count, synthetic = math.ceil(share * len(pairs)), math.floor(share * SYNTHETIC)
    if count + synthetic < LEAST:
        LOGGER.warning(
            "the score stays as it is: this run is too short for a calibration; "
            "python -m fmmp_train.cli.calibrate does it at any time"
        )
        return
    chosen = [pairs[number] for number in np.linspace(0, len(pairs) - 1, count).astype(int)]
    LOGGER.info("calibrating the score on %d pairs and %d synthetic categories", count, synthetic)
    for file in (last,) if is_same else (last, best):
        try:
            result = calibrate_file(file, chosen, synthetic=synthetic)
        except ValueError as error:  # keypoints all right or all wrong: the score stays as it was
            LOGGER.warning("%s: %s", file.name, error)
        else:
            LOGGER.info("%s: calibration error %.3f, was %.3f", file.name, result.after, result.before)
    if is_same:
        write_atomically(best, last.read_bytes())


def _step(file: Path) -> str | None:
    """After which step these weights were saved."""
    with safe_open(file, framework="numpy") as content:
        metadata: dict[str, str] = content.metadata() or {}
    return metadata.get("step")
