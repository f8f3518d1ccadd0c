# SPDX-License-Identifier: Apache-2.0
"""The state of a run on disk: all that continuing it takes, in one file that is complete or not there."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fmmp_runtime.files import write_atomically
from fmmp_train.checkpoint.files import reason_of

STATE_FILE = "state.pt"
_FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class RunState:
    """What a run is after some of its steps."""

    config: str  # JSON of its TrainConfig
    locations: str  # JSON of its Locations
    data: dict[str, str]  # fingerprint of its files
    step: int  # steps done
    steps: int  # of the whole run
    best: float  # best mPCK on validation so far; -1 before the first
    network: dict[str, Any]
    average: dict[str, Any] | None  # moving average of the weights
    optimizer: dict[str, Any]
    scaler: dict[str, Any] | None  # of float16 gradients


def save_state(folder: Path, state: RunState) -> None:
    """Write `state`; a kill or a full disk leaves the former one.

    Raises:
        OSError: names the file.
    """
    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, **vars(state)}, buffer)
    write_atomically(folder / STATE_FILE, buffer.getvalue())


def load_state(folder: Path) -> RunState:
    """Read what `save_state` wrote, as data only.

    Raises:
        FileNotFoundError: there is no run to continue.
        ValueError: the file is damaged, of another version, or would run code.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise FileNotFoundError(f"nothing to resume: {path} does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of nearly any type, where bytes are wrong
        raise ValueError(f"{path} is damaged or no state of a run: {reason_of(error)}") from error
    if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
        raise ValueError(
            f"{path} is not a state of format {_FORMAT}: it comes from another version of fmmp-train"
        )
    return RunState(**content)
