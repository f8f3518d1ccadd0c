# SPDX-License-Identifier: Apache-2.0
"""Paint images to fit annotations whose photographs are not here, so that a whole protocol can be run.

Each category has textures of its own: a body within the hull of the keypoints, a limb for each link and a
disc on each keypoint, so that the same keypoint looks alike in every image. Numbers measured on such images
say that a protocol runs, and nothing about photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from fmmp_runtime.files import write_atomically
from fmmp_runtime.media.image import Image, write_image
from fmmp_train.data.coco import Category, DataError, Dataset, Instance, read_annotations
from fmmp_train.synthetic.bank import default_bank
from fmmp_train.synthetic.outlines import BLOB_PATCH, LIMB_PATCH, PLATE_PATCH, Shape
from fmmp_train.synthetic.paint import Wardrobe, paint_polygon
from fmmp_train.synthetic.scene import draw_backdrop, surround
from fmmp_train.synthetic.textures import Array, Texture

MARK = "PAINTED"  # file in an image folder: these are no photographs
_NOTE = "The images in this folder are painted to fit annotations; they are no photographs.\n"
_LONGEST = 1024  # pixels: larger images are painted at this size and enlarged
_CIRCLE = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_RADIUS, _THICKNESS = 0.022, 0.016  # of a disc and a limb, of the longer box side


def paint_images(
    file: Path,
    folder: Path,
    *,
    wanted: Collection[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    links_from: int | None = None,
) -> tuple[int, int]:
    """Write the images of an annotation file, and the file itself, unchanged, into a data folder.

    An image is a pure function of the annotations and its name. Images that were painted before stay.

    Args:
        file: annotations.
        folder: gets `annotations/` and `images/`.
        wanted: ids of annotations whose images are needed; None: all.
        progress: called with the number done and of all.
        links_from: 0 or 1, the number of the first keypoint in the skeletons; None: as the file says.

    Returns:
        How many images were painted, and how many are needed.

    Raises:
        OSError: the folder cannot be written, or has images that were not painted.
        DataError: the annotations are wrong, or name an image outside of the folder.
    """
    images = Path(folder) / "images"
    if images.is_dir() and any(images.iterdir()) and not (images / MARK).is_file():
        raise FileExistsError(f"{images} holds images that were not painted: choose another folder")
    dataset = read_annotations(file, images, links_from=links_from)
    on_image: dict[Path, list[Instance]] = {}
    for instance in dataset.instances:
        on_image.setdefault(instance.image, []).append(instance)
    needed = {
        path: shown
        for path, shown in on_image.items()
        if wanted is None or any(instance.id in wanted for instance in shown)
    }
    for path in needed:
        if not path.resolve().is_relative_to(images.resolve()):
            raise DataError(f"{file} names the image {path}, which lies outside of {images}")
    images.mkdir(parents=True, exist_ok=True)
    write_atomically(images / MARK, _NOTE.encode())
    painted = 0
    for done, (path, shown) in enumerate(needed.items(), 1):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, depict(dataset, shown, path.relative_to(images).as_posix()))
            painted += 1
        if progress is not None:
            progress(done, len(needed))
    target = Path(folder) / "annotations" / Path(file).name
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, Path(file).read_bytes(), durable=False)
    return painted, len(needed)


def is_painted(folder: Path) -> bool:
    """Whether the images of a data folder were painted by `paint_images`: it leaves a mark beside them."""
    return (Path(folder) / "images" / MARK).is_file()


def depict(dataset: Dataset, shown: Collection[Instance], name: str) -> Image:
    """Paint an image (H, W, 3) with all the instances that lie on it; `name` seeds what is left to chance."""
    rng = np.random.default_rng(list(name.encode()))
    bank = default_bank()
    height, width = next(iter(shown)).image_size_hw
    zoom = min(1.0, _LONGEST / max(height, width))
    small = max(1, round(height * zoom)), max(1, round(width * zoom))
    backdrop = draw_backdrop(bank, rng, max(small))
    canvas: Image = np.ascontiguousarray(backdrop[: small[0], : small[1]])
    for instance in shown:
        # Pixel centres are whole numbers: the corner of the first pixel lies at -0.5.
        scale = np.array([small[1] / width, small[0] / height])
        points = (instance.keypoints_px + 0.5) * scale - 0.5
        low = instance.box_xywh[:2] * scale
        size = instance.box_xywh[2:] * scale
        surround(canvas, bank, rng, low, low + size)
        _paint(canvas, dataset.categories[instance.category_id], instance, points, float(size.max()), rng)
    if small == (height, width):
        return canvas
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _paint(
    canvas: Image,
    category: Category,
    instance: Instance,
    points: Array,
    side: float,
    rng: np.random.Generator,
) -> None:
    """Body, limbs and discs of one instance; `points` (K_c, 2) and `side` in pixels of the canvas."""
    links = [(int(a), int(b)) for a, b in category.links]
    textures = _textures(category.id, 1 + len(links) + category.num_keypoints)
    wardrobe = Wardrobe(default_bank(), list(textures), rng, np.exp(rng.normal(0, 0.08, 3)), 0.4)
    corners = points[instance.visible]
    if len(corners) > 2:
        hull = cv2.convexHull(corners.astype(np.float32))[:, 0].astype(np.float64)
        low, extent = hull.min(0), np.maximum(np.ptp(hull, axis=0), 1)
        texture_map = np.array(
            [[extent[0] / PLATE_PATCH[1], 0, low[0]], [0, extent[1] / PLATE_PATCH[0], low[1]]]
        )
        paint_polygon(canvas, None, 0, Shape(hull, texture_map, True, 1.0), wardrobe.patch(0, "cushion"))
    for number, (start, end) in enumerate(links, 1):
        if instance.visible[start] and instance.visible[end] and start != end:
            shape = _limb(points[start], points[end], max(_THICKNESS * side, 1.5))
            paint_polygon(canvas, None, 0, shape, wardrobe.patch(number, "limb"))
    for number in np.flatnonzero(instance.visible).tolist():
        shape = _disc(points[number], max(_RADIUS * side, 2.0))
        paint_polygon(canvas, None, 0, shape, wardrobe.patch(1 + len(links) + number, "disc"))


def _limb(start: Array, end: Array, thickness: float) -> Shape:
    """A bar from start to end, half as wide as `2 * thickness` on either side."""
    along = end - start
    length = max(float(np.linalg.norm(along)), 1e-3)
    along = along / length
    across = np.array([-along[1], along[0]])
    side = across * thickness
    ring = [start + side, end + side, end - side, start - side]
    x, y = along * length / LIMB_PATCH[1], across * 2 * thickness / LIMB_PATCH[0]
    texture_map = np.column_stack([x, y, start - side])
    return Shape(np.array(ring), texture_map, True, 1.0)


def _disc(centre: Array, radius: float) -> Shape:
    ring = centre + radius * np.column_stack([np.cos(_CIRCLE), np.sin(_CIRCLE)])
    step = 2 * radius / BLOB_PATCH[0]
    texture_map = np.array([[step, 0, centre[0] - radius], [0, step, centre[1] - radius]])
    return Shape(ring, texture_map, True, 1.0)


@lru_cache(maxsize=128)
def _textures(category_id: int, count: int) -> tuple[Texture, ...]:
    """A category's own textures: of its body, its links and its keypoints."""
    rng = np.random.default_rng((category_id, 0xDE91C7))
    return tuple(default_bank().draw_texture(rng) for _ in range(count))
