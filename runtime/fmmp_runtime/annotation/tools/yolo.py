# SPDX-License-Identifier: Apache-2.0
"""YOLO-pose labels: a line an object, `class cx cy w h` and the keypoints, all fractions of the image."""

import numpy as np

from fmmp_runtime.annotation.points import settle
from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.tools.named import choose
from fmmp_runtime.pose import AnnotationError


def read_yolo(text: str, request: Request) -> Annotation:
    """The object of one line; `#2` picks the second. There is a v where every third number is 0, 1 or 2.

    Raises:
        AnnotationError: no such line, an odd count of numbers, or no image, which has the size.
    """
    if request.size_hw is None:
        raise AnnotationError("YOLO labels are fractions of the image: give the image too, it is not there")
    lines = {
        str(number): line.split()
        for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1)
    }
    row = np.array(choose(lines, request, "line"), np.float64)
    box, rest = row[1:5], row[5:]
    triples = rest.reshape(-1, 3) if len(rest) and len(rest) % 3 == 0 else None
    if triples is not None and not np.isin(triples[:, 2], (0, 1, 2)).all():
        triples = None
    if triples is None:
        if not len(rest) or len(rest) % 2:
            raise AnnotationError(
                f"a line has {len(row)} numbers, expected class, box and keypoints x, y or x, y, v"
            )
        pairs = rest.reshape(-1, 2)
        hidden = (pairs == 0).all(1)  # how such files leave a keypoint out
        triples = np.column_stack([pairs, np.where(hidden, 0, 2)])
    height, width = request.size_hw
    if (np.abs(row[1:5]) > 1.5).any() or (np.abs(triples[:, :2]) > 1.5).any():
        raise AnnotationError("YOLO labels are fractions of the image from 0 to 1, and these are not")
    keypoints, visible, notes = settle(triples * (width, height, 1))
    corner = (box[:2] - box[2:] / 2) * (width, height)
    return Annotation(
        keypoints=keypoints,
        visible=visible,
        links=None,
        box=[*corner.tolist(), *(box[2:] * (width, height)).tolist()],
        names=None,
        image=None,
        units="pixels",
        notes=(f"YOLO-pose: {len(keypoints)} keypoints, fractions of {width} x {height} pixels", *notes),
    )
