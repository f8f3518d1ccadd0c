# SPDX-License-Identifier: Apache-2.0
"""A small annotated data folder of drawn categories, made once."""

import json
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime.media.image import write_image
from fmmp_train.synthetic import SyntheticCategory

INSTANCES = {1: 5, 2: 3, 7: 2}  # category id -> how many


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`annotations/train.json`, `annotations/val.json` (the same) and `images/`."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "annotations").mkdir()
    (folder / "images").mkdir()
    images, annotations, categories = [], [], []
    for number, count in INSTANCES.items():
        category = SyntheticCategory(number)
        categories.append(
            {"id": number, "name": f"thing {number}", "keypoints": [], "skeleton": category.links.tolist()}
        )
        for i in range(count):
            drawn = category.render(np.random.default_rng([number, i]), 160)
            identity = 100 * number + i
            write_image(folder / "images" / f"{identity}.png", drawn.image)
            images.append({"id": identity, "file_name": f"{identity}.png", "height": 160, "width": 160})
            inside = ((drawn.keypoints_px >= 0) & (drawn.keypoints_px < 160)).all(
                1
            )  # hidden ones are labelled
            points = np.column_stack([drawn.keypoints_px, 2 * inside])
            annotations.append(
                {
                    "id": identity,
                    "image_id": identity,
                    "category_id": number,
                    "bbox": drawn.box.tolist(),
                    "keypoints": points.flatten().tolist(),
                    "num_keypoints": int(inside.sum()),
                    "area": float(drawn.box[2] * drawn.box[3]),
                    "iscrowd": 0,
                }
            )
    content = json.dumps({"images": images, "annotations": annotations, "categories": categories})
    for split in ("train", "val"):
        (folder / "annotations" / f"{split}.json").write_text(content)
    return folder
