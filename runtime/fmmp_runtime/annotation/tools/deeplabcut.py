# SPDX-License-Identifier: Apache-2.0
"""DeepLabCut's CollectedData csv: a row an image, two columns a body part."""

import csv

from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.tools.named import NamedPoint, annotation_of, choose, pick_image
from fmmp_runtime.pose import AnnotationError

_HEAD = ("scorer", "individuals", "bodyparts", "coords")


def read_deeplabcut(text: str, request: Request) -> Annotation:
    """The row of the image; two empty cells hide the body part.

    Raises:
        AnnotationError: several animals, a file of answers, no row of the image, or an x without a y.
    """
    rows = list(csv.reader(text.splitlines()))
    head = {row[0]: row for row in rows[:4] if row and row[0] in _HEAD}
    parts, axes = head["bodyparts"], head.get("coords", [])
    columns = [i for i, axis in enumerate(axes) if axis in ("x", "y")]
    if "likelihood" in axes or not columns or len(columns) % 2:
        raise AnnotationError(
            "expected DeepLabCut's CollectedData csv with the columns x and y of each body part"
        )
    animals = {head["individuals"][i] for i in columns} if "individuals" in head else set()
    if len(animals) > 1:
        raise AnnotationError(f"{len(animals)} animals a row: keep the columns of one")
    data = {"/".join(filter(None, row[: columns[0]])): row for row in rows[len(head) :] if row}
    names = pick_image(data, request)
    row = choose({name: data[name] for name in names}, request, "image")
    points = []
    for x, y in zip(columns[::2], columns[1::2], strict=True):
        there, whole = (row[i].strip().lower() not in ("", "nan") for i in (x, y))
        if there != whole:
            raise AnnotationError(
                f"{parts[x]} has x = {row[x]!r} and y = {row[y]!r}: expected both, or neither"
            )
        points.append(NamedPoint(parts[x], *((float(row[x]), float(row[y])) if there else (0.0, 0.0)), there))
    return annotation_of(points, image=next(name for name in names if data[name] is row))
