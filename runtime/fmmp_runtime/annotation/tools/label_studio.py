# SPDX-License-Identifier: Apache-2.0
"""Label Studio's JSON: tasks with results, in percents of the image whose size stands beside."""

from collections.abc import Iterator, Mapping
from typing import Any

from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.tools.named import NamedPoint, annotation_of, choose, pick_image
from fmmp_runtime.pose import AnnotationError

Region = Mapping[str, Any]


def is_label_studio(content: object) -> bool:
    """Whether JSON content is Label Studio's: a task, or a list of them, in full or in its short form."""
    task = content[0] if isinstance(content, list) and content else content
    if not isinstance(task, dict):
        return False
    if isinstance(task.get("data"), dict) and ("annotations" in task or "completions" in task):
        return True
    return any(_is_short(value) for value in task.values())


def read_label_studio(content: Any, request: Request) -> Annotation:  # noqa: ANN401  # a task or a list
    """The keypoints of one task; `#12` picks the task 12, or else its image does.

    Raises:
        AnnotationError: not one task or one annotation of it answers, or the size of its image is missing.
    """
    tasks = content if isinstance(content, list) else [content]
    if not request.wanted:
        names = pick_image({_image(task) for task in tasks}, request)
        tasks = [task for task in tasks if _image(task) in names]
    task = choose({str(task.get("id", number)): task for number, task in enumerate(tasks)}, request, "task")
    points, box, size_hw = [], [], None
    for value, width, height in _regions(task):
        if value.get("rotation") and "keypointlabels" not in value:
            raise AnnotationError("a box in it is rotated, which is not read: draw it upright")
        if not width or not height:
            raise AnnotationError(
                "a result lacks original_width and original_height, so percents stay percents"
            )
        if size_hw not in (None, (int(height), int(width))):
            raise AnnotationError("its results belong to images of several sizes")
        size_hw = int(height), int(width)
        x, y = float(value["x"]) * width / 100, float(value["y"]) * height / 100
        if "keypointlabels" in value:
            points.append(NamedPoint(str((value["keypointlabels"] or ["keypoint"])[0]), x, y))
        elif "rectanglelabels" in value:
            box.append([x, y, float(value["width"]) * width / 100, float(value["height"]) * height / 100])
    return annotation_of(points, box=box[0] if len(box) == 1 else None, image=_image(task), size_hw=size_hw)


def _regions(task: Mapping[str, Any]) -> Iterator[tuple[Region, float, float]]:
    """Values of the results with width and height of the image."""
    if "data" in task:
        drawn = [a for a in task.get("annotations", task.get("completions")) if not a.get("was_cancelled")]
        if len(drawn) != 1:
            raise AnnotationError(f"task {task.get('id')} has {len(drawn)} annotations: leave one of them")
        for result in drawn[0]["result"]:
            if result.get("image_rotation"):
                raise AnnotationError(
                    "the picture was turned in Label Studio, which is not read: save it turned"
                )
            if "value" in result and "x" in result["value"]:
                yield result["value"], result.get("original_width"), result.get("original_height")
        return
    for values in task.values():
        if _is_short(values):
            for value in values:
                yield value, value.get("original_width"), value.get("original_height")


def _is_short(value: object) -> bool:
    entry = value[0] if isinstance(value, list) and value else None
    return isinstance(entry, dict) and bool({"keypointlabels", "rectanglelabels"} & set(entry))


def _image(task: Mapping[str, Any]) -> str:
    """The picture of a task: the only text among its data that is named like a file, or else the first."""
    texts = [v for v in task.get("data", task).values() if isinstance(v, str)]
    return next((text for text in texts if "/" in text or "." in text), texts[0] if texts else "")
