# SPDX-License-Identifier: Apache-2.0
"""Read a split of a data folder: from its own file, or from MP-100's file of all categories."""

from __future__ import annotations

from pathlib import Path

from fmmp_train.data.coco import DataError, Dataset, find_annotations, find_file, read_annotations
from fmmp_train.data.mp100 import UNIFIED, split_categories


def read_split(root: Path, split: str, *, links_from: int | None = None) -> Dataset:
    """The instances of a split, its categories in the order in which episodes are drawn.

    Args:
        root: folder with `annotations/<split>.json` (see `find_annotations`) or `annotations/mp100_all.json`.
        split: name of the file; with the latter one of MP-100's, such as "split1_test".
        links_from: 0 or 1, the number of the first keypoint in the skeletons; None: as the file says.

    Raises:
        OSError: the file cannot be read.
        DataError: there is no such split, or its file is wrong.
    """
    file = split_file(root, split)
    wanted = split_categories(split)
    everything = read_annotations(file, links_from=links_from)
    if wanted is None or file.name != UNIFIED:
        return everything
    if lacking := [number for number in wanted if number not in everything.categories]:
        raise DataError(f"{file}: {split} needs the categories {lacking}, which are not in it")
    part = everything.subset(wanted)
    ordered = {number: part.categories[number] for number in wanted}
    return Dataset(part.source, ordered, part.instances, part.left_out)


def split_file(root: Path, split: str) -> Path:
    """The file that `read_split` reads: that of the split, or else the one of all categories.

    Raises:
        DataError: neither is there; lists what is.
    """
    own = find_file(root, (f"{split}.json", f"mp100_{split}.json"))
    unified = find_file(root, (UNIFIED,)) if split_categories(split) is not None else None
    return own or unified or find_annotations(root, split)
