# SPDX-License-Identifier: Apache-2.0
"""Training augmentation: whatever moves pixels moves the keypoints with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.media.image import Image, warp
from fmmp_runtime.pose import crop_matrix, sanitize_box, transform_points

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class View(NamedTuple):
    """A square crop and where its keypoints are."""

    image: Image  # (size, size, 3) RGB
    keypoints_px: Floats  # (K_c, 2); pixel centres at whole numbers
    visible: Bools  # (K_c,)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strongly views differ; the first three are the released training's."""

    scale: float = 0.15  # spread of the crop's side, and its bound
    rotation_deg: float = 15.0  # spread; twice as much is the bound
    rotation_chance: float = 0.6
    colour: float = 0.25  # spread of brightness, contrast, saturation and colour cast
    blur_chance: float = 0.1
    patch_chance: float = 0.15  # of an occluding patch

    def __post_init__(self) -> None:
        """Refuse spreads and chances that are none."""
        if not 0 <= self.scale < 1:
            raise ValueError(f"scale must be in [0, 1), a share of the crop's side, got {self.scale}")
        for name in ("rotation_deg", "colour"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        check_chances(self, "rotation_chance", "blur_chance", "patch_chance")


def check_chances(options: object, *names: str) -> None:
    """Raise ValueError where a field is no probability."""
    for name in names:
        if not 0 <= getattr(options, name) <= 1:
            raise ValueError(f"{name} must be from 0 to 1, got {getattr(options, name)}")


PLAIN = Augmentation(scale=0, rotation_deg=0, rotation_chance=0, colour=0, blur_chance=0, patch_chance=0)


def draw_placement(rng: np.random.Generator, augmentation: Augmentation) -> tuple[float, float]:
    """Draw (scale, rotation_deg) of a crop, as the released training does."""
    scale = 1 + float(np.clip(rng.normal(0, 1) * augmentation.scale, -augmentation.scale, augmentation.scale))
    bound = 2 * augmentation.rotation_deg
    rotation = float(np.clip(rng.normal(0, 1) * augmentation.rotation_deg, -bound, bound))
    return scale, rotation if rng.random() < augmentation.rotation_chance else 0.0


def cut(
    image: Image,
    box_xywh: ArrayLike,
    keypoints_px: ArrayLike,
    visible: Bools,
    size: int,
    *,
    scale: float = 1.0,
    rotation_deg: float = 0.0,
) -> View:
    """Crop an annotated object (`fmmp_runtime.pose.crop_matrix`); points outside the crop become hidden."""
    matrix = crop_matrix(
        sanitize_box(box_xywh, image.shape[:2]), size, scale=scale, rotation_deg=rotation_deg
    )
    points = transform_points(keypoints_px, matrix).astype(np.float32)
    return View(warp(image, matrix, size), points, visible & inside(points, size))


def inside(keypoints_px: NDArray[np.floating], size: int) -> Bools:
    """Which points (K, 2) lie on a pixel of a square picture."""
    return np.asarray(((keypoints_px >= 0) & (keypoints_px <= size - 1)).all(-1))


def flip(view: View, pairs: Sequence[tuple[int, int]] = ()) -> View:
    """Mirror left and right. Keypoint i stays keypoint i; the two of a pair in `pairs` change places.

    Without pairs it is right only where support and query are both mirrored.
    """
    points = view.keypoints_px * np.array([-1, 1], np.float32)
    points[:, 0] += view.image.shape[1] - 1
    order = np.arange(len(points))
    for a, b in pairs:
        order[[a, b]] = b, a
    return View(np.ascontiguousarray(view.image[:, ::-1]), points[order], view.visible[order])


def mirror_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of keypoints whose names differ in the word left or right (l, r) alone."""
    place: dict[str, dict[str, int]] = {_side_free(name): {} for name in names}
    for index, name in enumerate(names):
        side = _side(name)
        if side:
            place[_side_free(name)][side] = index
    return [(found["left"], found["right"]) for found in place.values() if len(found) == 2]


def _side(name: str) -> str:
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    return "left" if {"left", "l"} & set(words) else "right" if {"right", "r"} & set(words) else ""


def _side_free(name: str) -> str:
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    return "_".join(word for word in words if word not in ("left", "l", "right", "r"))


def recolour(image: Image, rng: np.random.Generator, strength: float) -> Image:
    """Change brightness, contrast, saturation and colour cast, each by a spread of about `strength`."""
    contrast, saturation = np.exp(rng.normal(0, strength, 2)).clip(0.4, 2.5)
    cast = np.exp(rng.normal(0, strength * 0.3, 3))
    luma = np.array([0.299, 0.587, 0.114])
    mixing = contrast * cast[:, None] * (saturation * np.eye(3) + (1 - saturation) * luma)
    offset = 128 * (1 - contrast) + rng.normal(0, strength * 60)
    return np.asarray(cv2.transform(image, np.column_stack([mixing, np.full(3, offset)])), np.uint8)


def blur(image: Image, rng: np.random.Generator) -> Image:
    """Take it out of focus a little, or as if enlarged from a small picture."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.8))), np.uint8)
    small = max(8, int(image.shape[0] * rng.uniform(0.3, 0.7)))
    reduced = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def occlude(view: View, rng: np.random.Generator, *, hide: bool) -> View:
    """Lay a patch over it: a plain colour, noise, or a piece of the same picture.

    Args:
        view: a crop.
        rng: the only source of randomness.
        hide: points under the patch become hidden, as a support shows nothing there; otherwise they stay
            labelled, as annotators guess what they don't see.
    """
    size = view.image.shape[0]
    w, h = (int(v) for v in rng.uniform(0.08, 0.3, 2) * size)
    x, y = (int(v) for v in (rng.integers(0, size - w), rng.integers(0, size - h)))
    image = view.image.copy()
    kind = rng.integers(3)
    if kind == 0:
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    elif kind == 1:
        grain = rng.integers(0, 256, (max(h // 6, 1), max(w // 6, 1), 3), dtype=np.uint8)
        image[y : y + h, x : x + w] = cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR)
    else:
        from_x, from_y = rng.integers(0, size - w), rng.integers(0, size - h)
        image[y : y + h, x : x + w] = view.image[from_y : from_y + h, from_x : from_x + w][::-1]
    covered = ((view.keypoints_px >= (x, y)) & (view.keypoints_px < (x + w, y + h))).all(1)
    return View(image, view.keypoints_px, view.visible & ~covered if hide else view.visible)


def disturb(view: View, rng: np.random.Generator, augmentation: Augmentation, *, is_support: bool) -> View:
    """Everything that changes the looks of a crop and moves nothing: colours, blur, patches."""
    image = view.image
    if augmentation.colour > 0:
        image = recolour(image, rng, augmentation.colour)
    if rng.random() < augmentation.blur_chance:
        image = blur(image, rng)
    view = view._replace(image=image)
    if rng.random() < augmentation.patch_chance:
        patched = occlude(view, rng, hide=is_support)
        if patched.visible.any():
            view = patched
    return view
