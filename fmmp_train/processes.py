# SPDX-License-Identifier: Apache-2.0
"""The processes that share a run or an evaluation, as `accelerate launch` or `torchrun` start them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")
_PATIENCE = timedelta(days=7)  # a process that is done waits for the slowest one


@dataclass(frozen=True)
class Processes:
    """This process among all of them."""

    index: int = 0
    count: int = 1
    local_index: int = 0  # on its machine: the GPU that it takes

    @property
    def leads(self) -> bool:
        """The one that writes and prints."""
        return self.index == 0

    def gather(self, items: Sequence[T]) -> list[T]:
        """The items of all processes, in their order."""
        if self.count == 1:
            return list(items)
        from accelerate.utils import gather_object

        gathered: list[T] = gather_object(list(items))
        return gathered


def choose_device(name: str) -> str:
    """`name` as PyTorch knows it; "auto" is a GPU where it finds one, else the CPU.

    Raises:
        ValueError: there is no such device.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError as error:
        raise ValueError(f"no device is called {name!r}: use auto, cpu or cuda") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name}: this PyTorch finds no GPU; use cpu")
    return name


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Meet the other processes, if the launcher started any; several machines need no common folder."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu", timeout=_PATIENCE)
    yield Processes(state.process_index, state.num_processes, state.local_process_index)
    state.destroy_process_group()  # not after an error: the others hear of it from the launcher
