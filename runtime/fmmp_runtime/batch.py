# SPDX-License-Identifier: Apache-2.0
"""One or many: which arguments of `PoseEstimator.locate` are lists, and how a list becomes runs of graphs."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def are_frames(frame: object) -> bool:
    """Whether this is a list of frames: a list, a tuple, or an (N, H, W, 3) array."""
    return isinstance(frame, list | tuple) or (isinstance(frame, np.ndarray) and frame.ndim == 4)


def are_boxes(box: Any) -> bool:  # noqa: ANN401  # whatever a user gives as a box
    """Whether this is a list of boxes, such as (N, 4), and no single one; an empty list has no boxes."""
    if isinstance(box, list | tuple):
        return not all(number is not None and np.ndim(number) == 0 for number in box) or not box
    return box is not None and (np.ndim(box) > 1 or np.size(box) == 0)


def broadcast(**arguments: tuple[Any, bool]) -> list[tuple[Any, ...]] | None:
    """Line up the arguments (value, whether it is a list) item by item; None where none is a list.

    Raises:
        ValueError: the lists differ in length.
    """
    counts = {name: len(value) for name, (value, many) in arguments.items() if many}
    if not counts:
        return None
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"lists given together must have the same length, got {said}")
    count = next(iter(counts.values()))
    columns = [value if many else [value] * count for value, many in arguments.values()]
    return list(zip(*columns, strict=True))


def split(items: Sequence[T], sizes: Collection[int]) -> Iterator[Sequence[T]]:
    """Cut a list into pieces that graphs take, the largest first; `sizes` holds 1.

    No place of a larger graph is left empty: it would cost as much as a full one.
    """
    start = 0
    for size in sorted(sizes, reverse=True):
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size
