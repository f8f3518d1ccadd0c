# SPDX-License-Identifier: Apache-2.0
"""The README's pictures: two real objects found from one example each, and the methods side by side.

Run it as `python -m docs.pictures.objects demo/bundle` from the top of the repository, after `make demo`. The
photographs come with scikit-image and matplotlib: the astronaut Eileen Collins (NASA, public domain), Grace
Hopper (U.S. Navy, public domain), a motorcycle from two places, and a cat (both CC0).
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np

from fmmp_export.demo import MOTORCYCLE_LINKS, motorcycle_task
from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.annotation.reader import read_annotation
from fmmp_runtime.media.image import image_size, read_image, write_image
from fmmp_runtime.media.sheet import draw_sheet, pose_panel
from fmmp_train.data import Instance
from fmmp_train.data.examples.photographs import photograph_folder
from fmmp_train.evaluation.baselines import copy_support, nearest_neighbours
from fmmp_train.evaluation.evaluate import on_crops
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.evaluation.predictors import bundle_predictor
from fmmp_train.figures.methods import methods_figure

HERE = Path(__file__).parent
# Keypoints of two faces in pixels, set by eye: eyes, brows, nose, mouth, chin, ear lobes.
COLLINS = [
    (202, 101),
    (248, 103),
    (202, 89),
    (249, 92),
    (224, 130),
    (206, 142),
    (243, 142),
    (221, 178),
    (178, 128),
    (274, 131),
]
HOPPER = [
    (223, 189),
    (304, 187),
    (220, 163),
    (305, 160),
    (267, 248),
    (233, 280),
    (304, 277),
    (265, 328),
    (182, 267),
    (348, 260),
]
FACE_LINKS = [(0, 2), (1, 3), (0, 1), (0, 4), (1, 4), (4, 5), (4, 6), (5, 6), (5, 7), (6, 7), (7, 8), (7, 9)]
COLLINS_BOX, HOPPER_BOX = (168, 72, 114, 114), (170, 140, 190, 195)
MOTORCYCLE_BOX, TURNED_BOX = (80, 110, 600, 360), (40, 215, 630, 390)


def instance(number: int, category: int, image: Path, points: np.ndarray, box: tuple[int, ...]) -> Instance:
    """One annotated object; a keypoint that is NaN is hidden."""
    seen = np.isfinite(points).all(1)
    return Instance(
        id=number,
        category_id=category,
        image=image,
        image_size_hw=image_size(image),
        box_xywh=np.array(box, np.float64),
        keypoints_px=np.nan_to_num(points).astype(np.float32),
        visible=seen,
    )


def pairs(folder: Path) -> list[Pair]:
    """A motorcycle and a face, each with a support and a query; the turned picture is written to `folder`."""
    astronaut = photograph_folder() / "astronaut.png"
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    task = motorcycle_task(folder)
    left = np.asarray(read_annotation(str(task.annotation), task.support).keypoints)
    face = (
        instance(1, 1, astronaut, np.array(COLLINS, float), COLLINS_BOX),
        instance(2, 1, hopper, np.array(HOPPER, float), HOPPER_BOX),
    )
    motorcycle = (
        instance(3, 2, task.support, left, MOTORCYCLE_BOX),
        instance(4, 2, task.queries[1], task.truths[1], TURNED_BOX),
    )
    return [
        Pair(2, "motorcycle", np.array(MOTORCYCLE_LINKS), motorcycle[:1], motorcycle[1]),
        Pair(1, "face", np.array(FACE_LINKS), face[:1], face[1]),
    ]


def found(estimator: PoseEstimator, made: list[Pair]) -> list[tuple[str, np.ndarray]]:
    """Panels: each support, what was found in its query, and motorcycles where there is none."""
    panels = []
    cat = photograph_folder() / "chelsea.png"
    for pair in made:
        [support] = pair.supports
        image, box = read_image(support.image), support.box_xywh
        shown = support.keypoints_px, support.visible, pair.links
        panels.append(pose_panel(f"one example: {pair.category}", image, *shown, box=box))
        state = estimator.remember([Support(image, shown[0], pair.links, shown[1], box)])
        asked: list[tuple[str, Path, np.ndarray | None]] = [("found", pair.query.image, pair.query.box_xywh)]
        if pair.category == "motorcycle":
            asked.append(("no motorcycle there: unsure", cat, None))
        for title, file, where in asked:
            frame = read_image(file)
            pose = estimator.locate(frame, state, where)
            drawn = pose.keypoints, pose.known, pose.links, pose.score
            panels.append(pose_panel(title, frame, *drawn, box=pose.box))
    return panels


def main() -> None:
    """Write objects.jpg and methods.jpg beside this file."""
    parser = argparse.ArgumentParser(prog="python -m docs.pictures.objects", description=__doc__)
    parser.add_argument("bundle", type=Path, help="of the demo model")
    bundle: Path = parser.parse_args().bundle
    estimator = PoseEstimator(bundle)
    methods = {"copy the support": on_crops(copy_support)}
    methods |= {name: on_crops(method.locate) for name, method in nearest_neighbours().items()}
    methods["fmmp-demo"] = bundle_predictor(estimator)
    with TemporaryDirectory() as folder:
        made = pairs(Path(folder))
        write_image(HERE / "objects.jpg", draw_sheet(found(estimator, made), columns=3))
        write_image(HERE / "methods.jpg", methods_figure(made, methods))


if __name__ == "__main__":
    main()
