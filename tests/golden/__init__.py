# SPDX-License-Identifier: Apache-2.0
"""Numbers that the released implementation produced on a CPU, and how tests read them."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent


def load_json(name: str) -> Any:  # noqa: ANN401  # JSON
    """Read `name`.json.gz or `name`.json of this folder."""
    packed = FOLDER / f"{name}.json.gz"
    if packed.exists():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads((FOLDER / f"{name}.json").read_text())


def load_npz(name: str) -> dict[str, NDArray[Any]]:
    """Read all arrays of `name`.npz of this folder."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)
