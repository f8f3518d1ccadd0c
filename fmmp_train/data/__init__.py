# SPDX-License-Identifier: Apache-2.0
"""Data: MP-100 annotations, episodes, synthetic categories, self-pairs, augmentation, training examples."""

from fmmp_train.data.coco import Category, DataError, Dataset, Instance, find_annotations, read_annotations
from fmmp_train.data.episodes import Episode, draw_episodes
from fmmp_train.data.splits import read_split, split_file

__all__ = [
    "Category",
    "DataError",
    "Dataset",
    "Episode",
    "Instance",
    "draw_episodes",
    "find_annotations",
    "read_annotations",
    "read_split",
    "split_file",
]
