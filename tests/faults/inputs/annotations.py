# SPDX-License-Identifier: Apache-2.0
"""Annotation files of every format, spoilt. What is taken says the same when it is written as our own."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from fmmp_runtime.annotation.reader import Annotation, read_annotation
from fmmp_runtime.estimator import PoseEstimator, Support
from fmmp_runtime.media.image import Image, write_image
from tests.fakes.bundle import write_bundle
from tests.faults.spoil import spoil_bytes, spoil_json, spoil_text
from tests.faults.verdict import Attack, Strike, ends_well, holds

HEIGHT, WIDTH = 90, 140
POINTS = {"nose": (30.0, 20.0), "left eye": (100.0, 25.0), "tail": (95.0, 70.0)}
BOX = [20.0, 10.0, 91.0, 71.0]
FLAT = [value for x, y in POINTS.values() for value in (x, y, 2)]
_SIZE = {"original_width": WIDTH, "original_height": HEIGHT}

OWN = {
    "keypoints": [[*point, 2] for point in POINTS.values()],
    "links": [[0, 1], [1, 2]],
    "box": BOX,
    "names": list(POINTS),
    "image": "cat.png",
    "width": WIDTH,
    "height": HEIGHT,
}
COCO = {
    "images": [{"id": 5, "file_name": "cat.png", "width": WIDTH, "height": HEIGHT}],
    "annotations": [
        {"id": 7, "image_id": 5, "category_id": 1, "keypoints": FLAT, "num_keypoints": 3, "bbox": BOX}
    ],
    "categories": [{"id": 1, "name": "cat", "keypoints": list(POINTS), "skeleton": [[1, 2], [2, 3]]}],
}
LABELME = {
    "version": "5.5.0",
    "shapes": [{"label": n, "points": [p], "group_id": 1, "shape_type": "point"} for n, p in POINTS.items()]
    + [{"label": "cat", "points": [[20, 10], [111, 81]], "group_id": 1, "shape_type": "rectangle"}],
    "imagePath": "cat.png",
    "imageHeight": HEIGHT,
    "imageWidth": WIDTH,
}
LABEL_STUDIO = [
    {
        "id": 12,
        "data": {"img": "/data/upload/1/0ab12cd3-cat.png"},
        "annotations": [
            {
                "id": 1,
                "result": [
                    _SIZE
                    | {
                        "type": "keypointlabels",
                        "value": {
                            "x": 100 * x / WIDTH,
                            "y": 100 * y / HEIGHT,
                            "width": 0.3,
                            "keypointlabels": [n],
                        },
                    }
                    for n, (x, y) in POINTS.items()
                ],
            }
        ],
    }
]
CVAT = f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><image id="1" name="cat.png" width="{WIDTH}" height="{HEIGHT}">
<box label="cat" xtl="20.00" ytl="10.00" xbr="111.00" ybr="81.00"/>
{"".join(f'<points label="{n}" points="{x},{y}"/>' for n, (x, y) in POINTS.items())}</image></annotations>"""
YOLO = "0 0.468 0.506 0.65 0.789 " + " ".join(
    f"{x / WIDTH:.5f} {y / HEIGHT:.5f} 2" for x, y in POINTS.values()
)
DEEPLABCUT = "\n".join(
    [
        "scorer,,,ann" + ",ann" * 5,
        "bodyparts,,," + ",".join(f"{n},{n}" for n in POINTS),
        "coords,,," + ",".join(["x,y"] * 3),
        "labeled-data,set,cat.png," + ",".join(f"{x},{y}" for x, y in POINTS.values()),
    ]
)
FORMATS: dict[str, tuple[str, Any]] = {
    "own": (".json", OWN),
    "coco": (".json", COCO),
    "labelme": (".json", LABELME),
    "label studio": (".json", LABEL_STUDIO),
    "cvat": (".xml", CVAT),
    "yolo": (".txt", YOLO),
    "deeplabcut": (".csv", DEEPLABCUT),
}


def _check(annotation: Annotation) -> None:
    """What whoever uses it takes for granted."""
    count = len(annotation.keypoints)
    holds(annotation.keypoints.shape == (count, 2) and annotation.visible.shape == (count,), "shapes")
    holds(bool(np.isfinite(annotation.keypoints[annotation.visible]).all()), "visible and nowhere")
    holds(all(0 <= end < count for link in annotation.links or [] for end in link), "a link to nothing")
    holds(annotation.names is None or len(annotation.names) == count, "names")
    holds(annotation.box is None or bool(np.isfinite(annotation.box).all()), "box")


def _own_again(annotation: Annotation, file: Path, picture: Path) -> None:
    """Written as our own and read again it is the same."""
    rows = [
        [*map(float, point), 2 if shown else 0]
        for point, shown in zip(annotation.keypoints, annotation.visible, strict=True)
    ]
    content: dict[str, Any] = {
        "keypoints": rows,
        "links": annotation.links,
        "box": annotation.box,
        "links_from": 0,
    }
    content |= {"names": annotation.names, "units": "pixels"}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    again = ends_well(lambda: read_annotation(file, picture))
    if again is None:  # a fault that another format's reader leaves to the estimator
        return
    holds(np.array_equal(again.visible, annotation.visible), "another visibility when read again")
    shown = annotation.visible
    holds(np.allclose(again.keypoints[shown], annotation.keypoints[shown]), "other points when read again")
    holds((again.links or []) == (annotation.links or []), "other links when read again")


def attack_on(kind: str) -> Attack:
    """One format."""
    ending, content = FORMATS[kind]

    def prepare(folder: Path) -> Strike:
        picture, file = folder / "cat.png", folder / f"a{ending}"
        image: Image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        write_image(picture, image)
        estimator = PoseEstimator(write_bundle(folder / "bundle"), "onnxruntime", threads=1)
        text = content if isinstance(content, str) else json.dumps(content)
        file.write_text(text)
        whole = read_annotation(file, picture)
        holds(np.allclose(whole.keypoints, list(POINTS.values()), atol=1e-2), f"{kind} as it is")

        def spoil(draw: random.Random) -> bytes:
            if isinstance(content, str):
                return spoil_text(text, draw)
            if draw.random() < 0.2:
                return spoil_bytes(text.encode(), draw)
            return spoil_json(content, draw).encode()

        def strike(draw: random.Random) -> bool:
            file.write_bytes(spoil(draw))
            annotation = ends_well(lambda: read_annotation(file, draw.choice((picture, None))))
            if annotation is None:
                return False
            _check(annotation)
            _own_again(annotation, folder / "own.json", picture)
            a = annotation
            ends_well(lambda: estimator.remember([Support(image, a.keypoints, a.links, a.visible, a.box)]))
            return True

        return strike

    return Attack(kind, prepare, 300)


ATTACKS = [attack_on(kind) for kind in FORMATS]
