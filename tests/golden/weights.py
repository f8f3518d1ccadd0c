# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of the released network: each a function of its name and shape alone."""

import hashlib
from collections.abc import Callable

import numpy as np
import torch

from tests.golden import load_json

Fill = Callable[[str, tuple[int, ...]], np.ndarray]


def released_state(parameters: str = "released_parameters") -> dict[str, torch.Tensor]:
    """Every parameter of the released checkpoint, or of another one, under its released name."""
    return state_of(parameters, fill)


def state_of(parameters: str, fill: Fill) -> dict[str, torch.Tensor]:
    """Every parameter that the file `parameters` names, under its released name."""
    return {
        name: torch.from_numpy(np.asarray(fill(name, tuple(shape)))) for name, shape in load_json(parameters)
    }


def scaled(name: str, shape: tuple[int, ...], factor: float, offset: float = 0.0) -> np.ndarray:
    """The stand-in weight times a factor, plus an offset; whole numbers stay."""
    value = fill(name, shape)
    if value.dtype.kind == "i":
        return value
    return np.asarray(value.astype(np.float64) * factor + offset).astype(np.float32)


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the weight that the golden numbers were made with; spreads chosen so that no layer saturates."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)
    return (_centre(name, shape) + _spread(name, shape) * _shaped(name, noise)).astype(np.float32)


def _shaped(name: str, noise: np.ndarray) -> np.ndarray:
    return np.abs(noise) if name.endswith("running_var") else noise


def _centre(name: str, shape: tuple[int, ...]) -> float:
    if name.endswith("bn3.weight"):
        return 0.3  # keeps the residual sum from growing
    is_scale = len(shape) == 1 and not name.endswith(("bias", "running_mean"))
    return 1.0 if is_scale else 0.0


def _spread(name: str, shape: tuple[int, ...]) -> float:
    if name.endswith("sampling_offsets.bias"):
        return 3.0  # cells: some samples fall outside the map
    if name.endswith("bn3.weight"):
        return 0.03
    if name.endswith("bias"):
        return 0.05
    if len(shape) == 1:
        return 0.1
    gain = 1.4142 if len(shape) == 4 else 1.0
    gain = 1.6 if "kpt_branch" in name else gain
    gain = 1.5 if "pos_embed" in name else gain
    return gain / float(np.sqrt(np.prod(shape[1:])))
