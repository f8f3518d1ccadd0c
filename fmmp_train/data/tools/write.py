# SPDX-License-Identifier: Apache-2.0
"""Write synthetic categories as files, in the layout that `fmmp_train.data.coco` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fmmp_runtime.files import write_atomically
from fmmp_runtime.media.image import write_image
from fmmp_train.synthetic import Rendering, SyntheticCategory

FIRST_ID = 1001  # of a category: beyond MP-100's 1 to 100 and what is usually added to them
_SIZE = 320  # pixels a side: a crop of 256 around an object stays inside
_SCALE = 256 / _SIZE


def write_synthetic(
    folder: Path,
    *,
    categories: int,
    instances: int,
    seed: int,
    split: str = "train",
    first: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write `categories` x `instances` pictures and annotations; the same arguments give the same files.

    Args:
        folder: gets `images/<split>/...` and `annotations/<split>.json`, which is written last.
        categories: how many to invent.
        instances: pictures of each.
        seed: other seeds give other categories.
        split: names the annotation file.
        first: number of the first category in the endless sequence of the seed: splits that don't overlap
            share no category.
        progress: called after each category with the number done.

    Returns:
        The annotation file.

    Raises:
        FileExistsError: it is there already.
        OSError: the folder cannot be written.
        ValueError: a count below 1, or a negative seed.
    """
    if min(categories, instances) < 1 or min(seed, first) < 0:
        raise ValueError(
            "expected at least 1 category and instance, seed and first from 0; "
            f"got {categories}, {instances}, {seed}, {first}"
        )
    target = Path(folder) / "annotations" / f"{split}.json"
    if target.exists():
        raise FileExistsError(f"{target} exists: choose another folder or split, or remove it")
    content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    for index in range(first, first + categories):
        number = FIRST_ID + index
        category = SyntheticCategory(seed * 2**20 + index)
        name = f"{category.kind}_{number}"
        pictures = Path(folder) / "images" / split / name
        pictures.mkdir(parents=True, exist_ok=True)
        content["categories"].append(_category_entry(category, number, name))
        for instance in range(instances):
            drawn = category.render(np.random.default_rng((seed, index, instance)), _SIZE, scale=_SCALE)
            file = pictures / f"{instance:05d}.jpg"
            write_image(file, drawn.image)
            picture_id = number * 1_000_000 + instance
            content["images"].append(
                {
                    "id": picture_id,
                    "file_name": f"{split}/{name}/{file.name}",
                    "height": _SIZE,
                    "width": _SIZE,
                }
            )
            content["annotations"].append(_annotation_entry(drawn, picture_id, number))
        if progress is not None:
            progress(index - first + 1)
    info = {"description": f"synthetic categories, seed {seed}", "version": "1.0"}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, json.dumps({"info": info, **content}, indent=None).encode())
    return target


def _category_entry(category: SyntheticCategory, number: int, name: str) -> dict[str, Any]:
    return {
        "supercategory": category.kind,
        "id": number,
        "name": name,
        "keypoints": [str(k) for k in range(category.num_keypoints)],
        "skeleton": category.links.tolist(),
    }


def _annotation_entry(drawn: Rendering, picture_id: int, number: int) -> dict[str, Any]:
    near = np.clip(drawn.box[:2], 0, _SIZE - 2)
    far = np.clip(drawn.box[:2] + drawn.box[2:], near + 1, _SIZE - 1)
    width, height = (far - near).tolist()
    points = np.where(drawn.visible[:, None], drawn.keypoints_px, 0)
    rows = np.column_stack([points, 2.0 * drawn.visible]).round(2)
    return {
        "keypoints": [round(float(v), 2) for v in rows.ravel()],
        "image_id": picture_id,
        "id": picture_id,
        "num_keypoints": int(drawn.visible.sum()),
        "bbox": [round(float(v), 2) for v in (*near, width, height)],
        "iscrowd": 0,
        "area": round(width * height, 2),
        "category_id": number,
    }
