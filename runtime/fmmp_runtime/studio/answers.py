# SPDX-License-Identifier: Apache-2.0
"""The calls of a page, answered by `PoseEstimator`: the same answers as `fmmp-run` gives."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from fmmp_runtime.estimator import Pose, PoseEstimator, Support
from fmmp_runtime.media.image import Image, read_image
from fmmp_runtime.studio.project import ProjectFolder
from fmmp_runtime.support_state import SupportState

MOST_DECODED = 8  # pictures kept as pixels
MOST_STATES = 64  # categories of all pages


class Answers:
    """Pictures and remembered categories of the pages that are open; any thread may ask."""

    def __init__(self, estimator: PoseEstimator, project: ProjectFolder) -> None:
        """Answer with an estimator, about the pictures of a project."""
        self._estimator = estimator
        self._project = project
        self._pictures: OrderedDict[str, Image] = OrderedDict()
        self._states: OrderedDict[tuple[str, str], SupportState] = OrderedDict()
        self._lock = threading.Lock()

    def info(self) -> dict[str, Any]:
        """What runs, as the page's EngineInfo."""
        model = self._estimator.model
        return {
            "description": f"server, {self._estimator.backend.description}",
            "bundle": model.name,
            "keypoints": model.keypoints,
            "shots": model.shots,
            "calibrated": model.score.calibrated,
            "scoreMeaning": model.score.meaning,
            "finds": False,
        }

    def picture(self, key: str) -> dict[str, int]:
        """Size of a picture of the project.

        Raises:
            OSError, ValueError: there is none, or it can't be read.
        """
        height, width, _ = self._image(key).shape
        return {"width": width, "height": height}

    def remember(
        self,
        page: str,
        category: str,
        examples: Sequence[dict[str, Any]],
        links: Any,  # noqa: ANN401  # JSON
    ) -> list[list[int]]:  # JSON
        """Learn a category of a page; returns the links, which may have been guessed.

        Raises:
            OSError, ValueError: an example can't be used.
        """
        supports = [
            Support(
                self._image(str(each["picture"])),
                np.asarray(each["keypoints"], np.float64).reshape(-1, 2),
                links,
                visible=np.asarray(each["visible"], np.bool_),
                box=each["box"],
            )
            for each in examples
        ]
        state = self._estimator.remember(supports)
        self._keep(self._states, (page, category), state, MOST_STATES)
        return [[int(start), int(end)] for start, end in state.links]

    def locate(self, page: str, category: str, picture: str, box: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
        """The pose of a category in a picture, as the page's Pose.

        Raises:
            OSError, ValueError: nothing is remembered, or the picture or box can't be used.
        """
        with self._lock:
            state = self._states.get((page, category))
        if state is None:
            raise ValueError("annotate an example first")
        return _as_json(self._estimator.locate(self._image(picture), state, box=box))

    def forget(self, page: str) -> None:
        """A page was closed."""
        with self._lock:
            for key in [key for key in self._states if key[0] == page]:
                del self._states[key]

    def _image(self, key: str) -> Image:
        with self._lock:
            image = self._pictures.get(key)
        if image is None:
            image = read_image(self._project.picture(key))
        self._keep(self._pictures, key, image, MOST_DECODED)
        return image

    def _keep(self, kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:  # noqa: ANN401
        """Put something last, and drop the first ones."""
        with self._lock:
            kept[key] = value
            kept.move_to_end(key)
            while len(kept) > most:
                kept.popitem(last=False)


def _as_json(pose: Pose) -> dict[str, Any]:
    return {
        "keypoints": pose.keypoints.tolist(),
        "score": pose.score.tolist(),
        "known": pose.known.tolist(),
        "links": pose.links.tolist(),
        "box": pose.box.tolist(),
        "presence": None,
    }
