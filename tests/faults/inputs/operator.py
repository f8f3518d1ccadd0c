# SPDX-License-Identifier: Apache-2.0
"""Calls of the operator with shapes and numbers of any kind: refused by name, or what float64 gives."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from tests.faults.verdict import Attack, Strike, ends_well, holds
from tests.plugins.cpu.reference import Inputs, reference
from tests.plugins.cpu.reference import draw as draw_inputs
from tests.plugins.cpu.session import FLOAT, HALF, PER_HEAD, SHARED, shared_session

ODD = (0.0, -1.0, 0.5, 2.0, 1e30, -1e30, np.nan, np.inf, -np.inf, 1e-40)
SIZES = (0, 1, -1, 2, 5, 2**31 - 1, -(2**31))


def operator_calls(folder: Path) -> Strike:
    """One call."""

    def strike(draw: random.Random) -> bool:
        levels = [(draw.randint(1, 6), draw.randint(1, 6)) for _ in range(draw.randint(1, 3))]
        shared = draw.random() < 0.3
        inputs = draw_inputs(
            levels,
            batch=draw.randint(1, 2),
            queries=draw.randint(1, 4),
            heads=draw.randint(1, 4),
            points=draw.randint(1, 4),
            channels=draw.randint(1, 9),
            shared=shared,
        )
        is_sound = draw.random() < 0.4
        locations = inputs.sampling_locations.copy()
        for _ in range(draw.randrange(4)):
            locations.flat[draw.randrange(locations.size)] = draw.choice(ODD)
        inputs = replace(inputs, sampling_locations=locations)
        if not is_sound:
            inputs = _spoilt(inputs, draw)
        types = (FLOAT, FLOAT) if draw.random() < 0.7 else (HALF, FLOAT)
        kinds = {FLOAT: np.float32, HALF: np.float16}
        stored = inputs.stored_as(*(kinds[each] for each in types))
        session = shared_session(SHARED if shared else PER_HEAD, *types)
        outputs = ends_well(lambda: session.run(None, stored.feed()), Exception)
        holds(outputs is not None or not is_sound, "a sound call was refused")
        if outputs is not None and is_sound:
            expected = reference(stored)[0]
            atol = 2e-6 * (1 if types[0] == FLOAT else 2**11)
            holds(np.allclose(outputs[0].reshape(expected.shape), expected, rtol=0, atol=atol), "another sum")
        return outputs is not None

    return strike


def _spoilt(inputs: Inputs, draw: random.Random) -> Inputs:
    """One tensor with a number or an axis that doesn't fit."""
    name = draw.choice([field.name for field in fields(inputs)])
    tensor = getattr(inputs, name).copy()
    if tensor.dtype == np.int32 and tensor.size and draw.random() < 0.7:
        tensor.flat[draw.randrange(tensor.size)] = draw.choice(SIZES)
    else:
        axis = draw.randrange(tensor.ndim)
        keep = draw.choice((0, max(0, tensor.shape[axis] - 1), tensor.shape[axis] + 1))
        tensor = np.take(tensor, np.arange(keep) % max(1, tensor.shape[axis]), axis=axis)
    return replace(inputs, **{name: np.ascontiguousarray(tensor)})


ATTACKS = [Attack("operator", operator_calls, 400)]
