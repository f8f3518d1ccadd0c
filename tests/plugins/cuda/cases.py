# SPDX-License-Identifier: Apache-2.0
"""What the kernel must get right, on the stand-in as on a GPU, and the judge of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.plugins.cuda.driver import Case, Result
from tests.plugins.cuda.reference import NETWORK_LEVELS, UNEVEN_LEVELS, Inputs, draw, reference

TYPES = (("float32", "float32"), ("float16", "float32"), ("float16", "float16"), ("bfloat16", "float32"))

# A result rounds to its storage type: by half a unit in the last place, below 1 that is 2^-12 for float16 and
# 2^-9 for bfloat16. The float32 sums before it: unit roundoff 2^-24, 48 terms, coordinates up to 32 cells;
# the worst seen is 2e-7.
ATOL = {"float32": 1e-6, "float16": 2**-12 + 1e-6, "bfloat16": 2**-9 + 1e-6}

SHAPES = {
    "network, 3 levels": draw(queries=5, heads=8),
    "network, 4 levels": draw((*NETWORK_LEVELS, (4, 4)), queries=5, heads=8),
    "packed heads, batch 2": draw(batch=2, queries=2, heads=64),
    "every query": draw(queries=70, heads=8),
    "groups without a row": draw(queries=2, heads=5),  # 5 heads in blocks of 4 and of 2 rows
    "height != width": draw(UNEVEN_LEVELS, batch=2, queries=3, heads=3),
    "single cells": draw(((1, 1), (1, 1), (1, 1)), queries=3),
    "8 points, 2 levels": draw(UNEVEN_LEVELS[:2], points=8, queries=3),
    "1 point, 1 level": draw(((5, 9),), points=1, queries=3),
    "9 levels": draw(UNEVEN_LEVELS * 2 + ((3, 2),), queries=2, heads=2),  # more than travel by value
    "64 channels": draw(queries=3, heads=2, head_dim=64),
    "5 channels": draw(UNEVEN_LEVELS, queries=3, heads=3, head_dim=5, points=3),
    "1 channel": draw(UNEVEN_LEVELS, queries=3, heads=1, head_dim=1),
    "shared value": draw(queries=3, heads=8, value_heads=1, head_dim=256),
    "shared value, 32 channels": draw(queries=3, heads=8, value_heads=1),
    "shared value, 3 channels": draw(UNEVEN_LEVELS, queries=3, heads=4, value_heads=1, head_dim=3),
}


def known_levels_fit(inputs: Inputs) -> bool:
    """Whether the level sizes can travel with the launch (CudaLevels::kMax)."""
    return len(inputs.spatial_shapes) <= 8


def hostile(value_type: str, location_type: str) -> Inputs:
    """Locations that are NaN, infinite or far away, and cells of weight 0 that hold NaN and infinity."""
    inputs = draw(queries=6, heads=8)
    locations, value = inputs.locations.copy(), inputs.value.copy()
    far = (np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, 60000.0)
    for number, bad in enumerate(far):
        locations[0, 0, number, number % 3, number % 4, number % 2] = bad
    # Query 1 reads exactly at the centre of cell (3, 4) of level 0: its neighbours get weight 0.
    locations[0, 1, :, 0] = ((4 + 0.5) / 32, (3 + 0.5) / 32)
    for row, column, poison in ((3, 5, np.nan), (4, 4, np.inf), (4, 5, -np.inf)):
        value[0, row * 32 + column] = poison
    # Query 2 stays outside of every map.
    locations[0, 2] = 1.9
    inputs = replace(inputs, locations=locations, value=value).with_types(value_type, location_type)
    # Only queries 0 to 2 are judged: others may touch the poisoned cells, where NaN is the right answer.
    return replace(inputs, locations=inputs.locations[:, :3], weights=inputs.weights[:, :3])


def judge(case: Case, result: Result) -> None:
    """Compare with float64, every number of output and coverage."""
    output, coverage = reference(case.inputs)
    assert result.status == 0, f"launch returned {result.status}"
    scale = max(1.0, case.inputs.max_value)
    np.testing.assert_allclose(result.output, output, rtol=0, atol=ATOL[case.inputs.value_type] * scale)
    if case.wants_coverage:
        np.testing.assert_allclose(result.coverage, coverage, rtol=0, atol=ATOL[case.inputs.value_type])
    else:
        assert np.isnan(result.coverage).all(), "coverage was written though nobody asked"
