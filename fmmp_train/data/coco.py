# SPDX-License-Identifier: Apache-2.0
"""Read annotations in the layout of MP-100, which is COCO's with keypoints of many categories.

What one entry says is read by `fmmp_runtime.annotation`, for training and for deployment alike.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.annotation.coco import check_lists, is_official, links_from, read_keypoints, unusable
from fmmp_runtime.annotation.content import parse_json, read_text, shorten
from fmmp_runtime.annotation.own import declared_size, read_units
from fmmp_runtime.annotation.points import check_names, read_box
from fmmp_runtime.annotation.size import refuse_percents
from fmmp_runtime.annotation.skeleton import read_links
from fmmp_runtime.pose import AnnotationError, BoxError, refuse_fractions, sanitize_box

LOGGER = logging.getLogger("fmmp.data")


class DataError(AnnotationError):
    """An annotation file that cannot be used; the message names the file and the entry."""


@dataclass(frozen=True, eq=False)
class Category:
    """A category. Names are not unique (MP-100 has two called "face"): the id tells categories apart."""

    id: int
    name: str
    num_keypoints: int  # K_c, counted in the annotations
    links: NDArray[np.int64]  # (E, 2)
    keypoint_names: tuple[str, ...]  # may be empty


@dataclass(frozen=True, eq=False)
class Instance:
    """One annotated object; its image is read by whoever needs it."""

    id: int
    category_id: int
    image: Path
    image_size_hw: tuple[int, int]  # as the file says
    box_xywh: NDArray[np.float64]  # (4,) as annotated, pixels
    keypoints_px: NDArray[np.float32]  # (K_c, 2)
    visible: NDArray[np.bool_]  # (K_c,)
    official: bool = False  # of MP-100's own files: published numbers were made with them as they are


@dataclass(frozen=True, eq=False)
class Dataset:
    """Instances and their categories, in the order of the file."""

    source: Path
    categories: Mapping[int, Category]
    instances: tuple[Instance, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)  # annotations that were not usable, by reason
    _of_category: dict[int, list[Instance]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Sort the instances by category."""
        of: dict[int, list[Instance]] = {number: [] for number in self.categories}
        for instance in self.instances:
            of[instance.category_id].append(instance)
        object.__setattr__(self, "_of_category", of)

    def instances_of(self, category_id: int) -> list[Instance]:
        """Usable instances of a category: images in the order of the file, within one by annotation order.

        Raises:
            DataError: no such category.
        """
        if category_id not in self._of_category:
            raise DataError(f"{self.source}: no category {category_id}; it has {sorted(self.categories)}")
        return self._of_category[category_id]

    def subset(self, category_ids: Collection[int]) -> Dataset:
        """The same data with these categories only.

        Raises:
            DataError: an id that the data lacks.
        """
        for number in category_ids:
            self.instances_of(number)
        wanted = set(category_ids)
        kept = tuple(instance for instance in self.instances if instance.category_id in wanted)
        categories = {n: c for n, c in self.categories.items() if n in wanted}
        return Dataset(self.source, categories, kept, self.left_out)


def read_annotations(file: Path, images: Path | None = None, *, links_from: int | None = None) -> Dataset:
    """Read one annotation file.

    Left out, as in the released code: crowds, annotations without keypoints or with none labelled, and boxes
    without area. Categories without a usable instance are left out too. What was read otherwise than written
    is logged as a warning.

    Args:
        file: JSON.
        images: folder that the file names start from; by default `images` beside the file's folder, or beside
            the file.
        links_from: 0 or 1, the number of the first keypoint in the skeletons; None: as the file says.

    Raises:
        OSError: the file cannot be read.
        DataError: it is not such a file, an entry is wrong or has the id of another one, or none is usable;
            names both.
    """
    file = Path(file)
    try:
        return _read(file, images, links_from)
    except DataError:
        raise
    except AnnotationError as error:
        raise DataError(str(error)) from error


def _read(file: Path, images: Path | None, first_link: int | None) -> Dataset:
    content = _load(file)
    official = is_official(file.name, content)
    check_units = not official and read_units(content) is None
    root = images if images is not None else _image_folder(file)
    pictures = _by_id(file, "images", content["images"])
    groups: dict[int, list[dict[str, Any]]] = {number: [] for number in pictures}
    for i, entry in enumerate(content["annotations"]):
        picture = _number(file, "annotations", i, entry, "image_id")
        if picture not in groups:
            raise DataError(
                f"{file}: annotation {entry.get('id', i)} is of image {picture}, which is not listed"
            )
        groups[picture].append(entry)
    named = _by_id(file, "categories", content["categories"])
    _by_id(file, "annotations", content["annotations"])
    instances: list[Instance] = []
    left_out: Counter[str] = Counter()
    for picture, entries in groups.items():
        for entry in entries:
            instance = _instance(file, root, entry, pictures[picture], named, official, check_units)
            if isinstance(instance, Instance):
                instances.append(instance)
            else:
                left_out[instance] += 1
    if not instances:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "it has none"
        raise DataError(f"{file}: none of {sum(left_out.values())} annotations can be used: {reasons}")
    if check_units:
        _refuse_percents(file, instances)
    counts: dict[int, int] = {}
    for instance in instances:
        number, found = instance.category_id, len(instance.keypoints_px)
        if counts.setdefault(number, found) != found:
            raise DataError(
                f"{file}: annotation {instance.id} has {found} keypoints, "
                f"others of category {number} have {counts[number]}"
            )
    categories = {}
    for number in (n for n in named if n in counts):
        start = links_from(content, named[number], first_link)
        categories[number] = _category(file, named[number], counts[number], start, official)
    return Dataset(file, categories, tuple(instances), dict(left_out))


def find_annotations(root: Path, split: str) -> Path:
    """The annotation file of a data folder: `annotations/<split>.json`, or `mp100_<split>.json`.

    Raises:
        DataError: none is there; lists what is.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; expected one with annotations/{split}.json and images/")
    file = find_file(root, (f"{split}.json", f"mp100_{split}.json"))
    if file is not None:
        return file
    found = sorted(path.name for folder in (root / "annotations", root) for path in folder.glob("*.json"))
    raise DataError(f"{root} has no annotations for split {split!r}; found {found or 'no JSON file'}")


def find_file(root: Path, names: Sequence[str]) -> Path | None:
    """The first of `names` in `root/annotations`, or else in `root`; None where there is none."""
    places = [folder / name for folder in (Path(root) / "annotations", Path(root)) for name in names]
    return next((place for place in places if place.is_file()), None)


def _load(file: Path) -> dict[str, Any]:
    text, notes = read_text(file)
    for note in notes:
        LOGGER.warning("%s", note)
    content = parse_json(text, str(file))
    check_lists(content, file)
    whole: dict[str, Any] = content
    return whole


def _image_folder(file: Path) -> Path:
    beside = file.parent.parent / "images"
    return beside if beside.is_dir() else file.parent / "images"


def _by_id(file: Path, kind: str, entries: list[Any]) -> dict[int, dict[str, Any]]:
    """Entries by their id, which only one may have: episodes and results refer to it."""
    found: dict[int, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        number = _number(file, kind, index, entry, "id")
        if number in found:
            raise DataError(
                f"{file}: {kind}[{index}] has the id {number} of an entry before: ids must differ"
            )
        found[number] = entry
    return found


def _number(file: Path, kind: str, index: int, entry: object, key: str) -> int:
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{file}: {kind}[{index}] needs a whole number {key!r}, got {value!r}")
    return value


def _instance(
    file: Path,
    root: Path,
    entry: dict[str, Any],
    picture: dict[str, Any],
    named: Mapping[int, dict[str, Any]],
    official: bool,
    check_units: bool,
) -> Instance | str:
    """One annotation, or why it is not usable."""
    number = entry.get("id")
    where = f"{file}: annotation {number}"
    if not isinstance(number, int):
        raise DataError(f"{file}: an annotation of image {picture['id']} has no id")
    if not isinstance(entry.get("category_id"), int) or entry["category_id"] not in named:
        raise DataError(f"{where} is of category {shorten(entry.get('category_id'))}, which is not listed")
    reason = unusable(entry)
    if reason is not None:
        return reason
    try:
        points, visible, _ = read_keypoints(entry, named[entry["category_id"]], lenient=official)
        box, size = read_box("bbox", entry.get("bbox")), declared_size(picture, "height", "width")
        if check_units:
            refuse_fractions(points[visible])
    except OverflowError as error:
        raise DataError(f"{where}: a number in it is too large") from error
    except AnnotationError as error:
        raise DataError(f"{where}: {error}") from error
    name, area = picture.get("file_name"), entry.get("area", 1)
    if box is None or size is None or not isinstance(name, str):
        raise DataError(
            f"{where}: expected keypoints [x, y, v, ...], bbox [x, y, w, h] and the image's file_name, "
            f"height and width; got {shorten({'bbox': box, 'file_name': name, 'size': size})}"
        )
    if not isinstance(area, int | float):
        raise DataError(f"{where}: area must be a number or left out, got {shorten(area)}")
    if area <= 0:
        return "without area"
    try:
        sanitize_box(box, size)
    except BoxError:
        return "with a box outside of the image, or of one pixel"
    return Instance(
        number,
        int(entry["category_id"]),
        root / name.replace("\\", "/"),
        size,
        np.asarray(box, np.float64),
        points.astype(np.float32),
        visible,
        official,
    )


def _refuse_percents(file: Path, instances: Sequence[Instance]) -> None:
    """Raise DataError where the keypoints of all instances look like percents."""
    smallest = min((instance.image_size_hw for instance in instances), key=min)
    try:
        refuse_percents(np.concatenate([i.keypoints_px[i.visible] for i in instances]), smallest)
    except AnnotationError as error:
        raise DataError(f"{file}: {error}") from error


def _category(file: Path, entry: dict[str, Any], count: int, first: int | None, official: bool) -> Category:
    try:
        # Categories 39 and 45 of MP-100 list a link twice; uniform padding puts twice as many points on it.
        # Kept, because the published numbers were made so.
        links, notes = read_links(entry.get("skeleton"), count, links_from=first, lenient=official)
        names = entry.get("keypoints")
        if not official or not isinstance(names, list):
            names = check_names(names, count)
    except AnnotationError as error:
        raise DataError(f"{file}: category {entry['id']}: {error}") from error
    for note in notes:
        LOGGER.warning("%s: category %s: %s", file, entry["id"], note)
    return Category(
        int(entry["id"]),
        str(entry.get("name", entry["id"])),
        count,
        np.asarray(links, np.int64).reshape(-1, 2),
        tuple(str(name) for name in names or ()),
    )
