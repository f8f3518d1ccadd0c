# SPDX-License-Identifier: Apache-2.0
"""Look through a data folder in MP-100's layout and say what is missing or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from fmmp_runtime.annotation.size import Size, scale_to
from fmmp_runtime.media.image import read_image
from fmmp_runtime.pose import AnnotationError
from fmmp_train.data.coco import DataError, Dataset, read_annotations

Fault = Literal["missing", "broken"]


@dataclass
class FileReport:
    """What one annotation file holds and what is wrong with it."""

    file: Path
    dataset: Dataset | None = None  # None where the file cannot be read
    num_images: int = 0
    missing: list[str] = field(default_factory=list)  # images that are not there
    faults: list[str] = field(default_factory=list)  # one line each
    remarks: list[str] = field(default_factory=list)  # odd, but usable

    @property
    def sound(self) -> bool:
        """Nothing is missing or unreadable."""
        return not self.missing and not self.faults


def check_folder(
    folder: Path, progress: Callable[[int], None] | None = None, *, links_from: int | None = None
) -> tuple[list[FileReport], dict[Path, Fault]]:
    """Read every annotation file of a folder, and every image they name, once.

    Args:
        folder: with annotations/ and images/.
        progress: called with the number of images that were looked at.
        links_from: 0 or 1, the number of the first keypoint in the skeletons; None: as each file says.

    Returns:
        A report on each file, and the images that are missing or broken.

    Raises:
        DataError: no annotation file.
    """
    folder = Path(folder)
    files = sorted(path for place in (folder / "annotations", folder) for path in place.glob("*.json"))
    if not files:
        raise DataError(f"{folder} has no annotations/*.json; expected annotations/ and images/ in it")
    reports = [_read(file, links_from) for file in files]
    looked: dict[Path, tuple[tuple[int, int] | None, str]] = {}  # size, or what is wrong
    faults: dict[Path, Fault] = {}
    for report in reports:
        instances = report.dataset.instances if report.dataset else ()
        for path, size in {instance.image: instance.image_size_hw for instance in instances}.items():
            if path not in looked:
                looked[path] = _look(path)
                if progress is not None:
                    progress(len(looked))
            fault = _add(report, path, size, *looked[path])
            if fault is not None:
                faults[path] = fault
    return reports, faults


def _read(file: Path, links_from: int | None) -> FileReport:
    """A report without the images."""
    report = FileReport(file)
    try:
        report.dataset = read_annotations(file, links_from=links_from)
    except (DataError, OSError) as error:
        report.faults.append(str(error))
        return report
    report.num_images = len({instance.image for instance in report.dataset.instances})
    left = ", ".join(f"{count} {reason}" for reason, count in report.dataset.left_out.items())
    report.remarks += [f"annotations left out: {left}"] if left else []
    report.remarks += _outside(report.dataset)
    return report


def _look(path: Path) -> tuple[tuple[int, int] | None, str]:
    if not path.is_file():
        return None, ""
    try:
        height, width = read_image(path).shape[:2]
    except (OSError, ValueError) as error:
        return None, str(error)
    return (height, width), ""


def _add(
    report: FileReport, path: Path, size: tuple[int, int], found: tuple[int, int] | None, fault: str
) -> Fault | None:
    """Note what is wrong with an image."""
    if found is None and not fault:
        report.missing.append(str(path))
        return "missing"
    if found is not None:
        fault = _compare(report, path, size, found)
    if fault:
        report.faults.append(fault)
    return "broken" if fault else None


def _compare(report: FileReport, path: Path, declared: Size, found: Size) -> str:
    """What is wrong with the size of an image; a whole multiple is only remarkable."""
    if found == declared:
        return ""
    instances = report.dataset.instances if report.dataset else ()
    points = [i.keypoints_px[i.visible] for i in instances if i.image == path]
    try:
        factor = scale_to(declared, found, np.concatenate(points), str(path))
    except AnnotationError as error:
        return str(error)
    if factor != 1:
        report.remarks.append(
            f"{path} is {factor:g} times as large as {report.file.name} says: scaled when read"
        )
    return ""


def _outside(dataset: Dataset) -> Iterator[str]:
    """Labelled keypoints that lie well outside their image, as two of MP-100 do; a crop hides them."""
    for instance in dataset.instances:
        height, width = instance.image_size_hw
        points = instance.keypoints_px[instance.visible]
        slack = 0.02 * max(height, width)  # MP-100 has labels a little over the border
        wrong = ((points < -slack) | (points > (width + slack, height + slack))).any(1)
        if wrong.any():
            at = points[wrong][0].round(1).tolist()
            yield f"annotation {instance.id}: keypoint at {at} lies outside its {width} x {height} image"
