# SPDX-License-Identifier: Apache-2.0
"""Look through a data folder in MP-100's layout and say what is missing or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fmmp_runtime.image import read_image
from fmmp_train.data.coco import DataError, Dataset, read_annotations


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


def check_folder(folder: Path) -> list[FileReport]:
    """Read every annotation file of a folder and every image they name.

    Raises:
        DataError: no annotation file.
    """
    folder = Path(folder)
    files = sorted(path for place in (folder / "annotations", folder) for path in place.glob("*.json"))
    if not files:
        raise DataError(f"{folder} has no annotations/*.json; expected annotations/ and images/ in it")
    return [_check_file(file) for file in files]


def _check_file(file: Path) -> FileReport:
    report = FileReport(file)
    try:
        report.dataset = read_annotations(file)
    except (DataError, OSError) as error:
        report.faults.append(str(error))
        return report
    images = {instance.image: instance.image_size_hw for instance in report.dataset.instances}
    report.num_images = len(images)
    for path, size in images.items():
        if not path.is_file():
            report.missing.append(str(path))
            continue
        try:
            found = read_image(path).shape[:2]
        except (OSError, ValueError) as error:
            report.faults.append(str(error))
            continue
        if found != size:
            report.faults.append(
                f"{path} is {found[1]} x {found[0]} pixels, {file.name} says {size[1]} x {size[0]}"
            )
    report.remarks += _outside(report.dataset)
    return report


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
