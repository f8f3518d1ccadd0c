# SPDX-License-Identifier: Apache-2.0
"""Files of other annotation tools: those that are read, and the names of those that are not."""

import re
from collections.abc import Callable
from typing import Any

from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.tools.cvat import read_cvat
from fmmp_runtime.annotation.tools.deeplabcut import read_deeplabcut
from fmmp_runtime.annotation.tools.label_studio import is_label_studio, read_label_studio
from fmmp_runtime.annotation.tools.labelme import is_labelme, read_labelme
from fmmp_runtime.annotation.tools.yolo import read_yolo

__all__ = ["JSON_TOOLS", "name_tool", "text_reader"]

JSON_TOOLS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Request], Annotation], str], ...] = (
    (is_labelme, read_labelme, "a LabelMe file"),
    (is_label_studio, read_label_studio, "a Label Studio file"),
)

_EXPORT = "which is not read here: export it as COCO keypoints"
_KEYS_OF = {  # keys that together betray a tool
    ("_via_img_metadata",): f"VIA (VGG Image Annotator), {_EXPORT}",
    ("regions", "filename"): f"VIA (VGG Image Annotator), {_EXPORT}",
    ("people",): "OpenPose, which is not read here: it holds answers of a network, not annotations",
    ("skeletons", "videos"): "SLEAP, which is not read here: save it as COCO with the package sleap-io",
    ("categories", "items"): f"Datumaro, {_EXPORT}",
    ("item", "annotations"): f"V7 Darwin, {_EXPORT}",
    ("objects", "size"): f"Supervisely, {_EXPORT}",
    ("tags", "objects"): f"Supervisely, {_EXPORT}",
    ("data_row",): f"Labelbox, {_EXPORT}",
    ("image_id", "keypoints", "score"): "COCO results, which are answers of a network, not annotations",
    ("annotations", "categories"): "COCO without its list of images: save it with that",
    ("shapes",): "LabelMe without the name of its image (imagePath)",
}


def text_reader(text: str, suffix: str) -> Callable[[str, Request], Annotation] | None:
    """The reader of a text that is no JSON, by what it holds; None: it should be JSON."""
    start = text.lstrip("\ufeff \t\r\n")[:2000]
    if start.startswith("<"):
        return read_cvat
    if re.match(r"scorer,.*\n(individuals,.*\n)?bodyparts,", start):
        return read_deeplabcut
    if suffix == ".txt" and re.fullmatch(r"[\d\s.eE+-]+", start):
        return read_yolo
    return None


def name_tool(content: object) -> str | None:
    """The tool that wrote a JSON file, with what to do; None: not known."""
    entry = content
    while (
        isinstance(entry, list | dict) and entry and _tool_of(entry) is None
    ):  # lists, or a file by its name
        inner = entry[0] if isinstance(entry, list) else next(iter(entry.values()))
        if not isinstance(inner, dict):
            return None
        entry = inner
    return _tool_of(entry)


def _tool_of(entry: object) -> str | None:
    if not isinstance(entry, dict):
        return None
    return next((tool for keys, tool in _KEYS_OF.items() if all(key in entry for key in keys)), None)
