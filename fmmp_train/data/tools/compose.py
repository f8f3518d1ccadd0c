# SPDX-License-Identifier: Apache-2.0
"""Scenes whose truth is known: an annotated object, cut from its photograph and put into another one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image
from fmmp_runtime.pose import sanitize_box
from fmmp_train.data.coco import Instance

AROUND = 0.1  # of the longer box side, that is cut out around the keypoints' hull
BEYOND = 0.05  # likewise beyond the box, at most
SIZES = (0.2, 0.45)  # longer box side over the frame's


def draw_backdrop(photograph: Image, size_hw: tuple[int, int], rng: np.random.Generator) -> Image:
    """A part of a photograph that fills a frame, enlarged up to 1.3 times as much as it must be."""
    height, width = size_hw
    zoom = max(width / photograph.shape[1], height / photograph.shape[0]) * rng.uniform(1, 1.3)
    large = [
        max(int(np.ceil(side * zoom)), least) for side, least in zip(photograph.shape, size_hw, strict=False)
    ]
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(photograph, (large[1], large[0]), interpolation=how)
    y, x = (int(rng.integers(0, side - least + 1)) for side, least in zip(large, size_hw, strict=True))
    return np.ascontiguousarray(resized[y : y + height, x : x + width], np.uint8)


def paste(
    frame: Image,
    photograph: Image,
    instance: Instance,
    rng: np.random.Generator,
    sizes: tuple[float, float] = SIZES,
) -> tuple[Image, Instance]:
    """Put an object into a frame, upright, at a random size and place where its whole box fits.

    What is cut out is the hull of its visible keypoints, a little larger, within its box, with soft edges.

    Args:
        frame: (H, W, 3) RGB.
        photograph: of the instance.
        instance: annotated object.
        rng: the only source of randomness.
        sizes: least and largest longer side of the box, in the frame's longer side.

    Returns:
        A new frame, and the instance in it; its id and file are those of the original.
    """
    height, width = frame.shape[:2]
    box = sanitize_box(instance.box_xywh, instance.image_size_hw)
    zoom = rng.uniform(*sizes) * max(height, width) / box[2:].max()
    zoom = min(zoom, 0.95 * width / max(box[2], 1), 0.95 * height / max(box[3], 1))
    size = box[2:] * zoom
    middle = rng.uniform(size / 2, np.array([width, height]) - size / 2)
    shift = middle - zoom * (box[:2] + box[2:] / 2)
    matrix = np.column_stack([zoom * np.eye(2), shift])
    mask = _outline(instance, photograph.shape[:2], box)
    soft = cv2.GaussianBlur(mask, (0, 0), max(1 / zoom, 0.5))
    source = cv2.GaussianBlur(photograph, (0, 0), 0.4 / zoom) if zoom < 0.7 else photograph  # no aliasing
    cut = cv2.warpAffine(source, matrix, (width, height))
    share = cv2.warpAffine(soft, matrix, (width, height)).astype(np.float32)[..., None] / 255
    composed = np.rint(cut * share + frame * (1 - share)).astype(np.uint8)
    moved = replace(
        instance,
        keypoints_px=(instance.keypoints_px * zoom + shift).astype(np.float32),
        box_xywh=np.concatenate([box[:2] * zoom + shift, size]),
        image_size_hw=(height, width),
    )
    return composed, moved


def _outline(instance: Instance, size_hw: tuple[int, int], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """255 where the object is taken to be."""
    mask = np.zeros(size_hw, np.uint8)
    hull = cv2.convexHull(instance.keypoints_px[instance.visible].astype(np.float32))
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 255)
    reach = max(int(AROUND * box[2:].max()), 2)
    mask = np.asarray(cv2.dilate(mask, _disc(reach)), np.uint8)
    within = np.zeros_like(mask)
    low, high = box[:2] - BEYOND * box[2:].max(), box[:2] + box[2:] + BEYOND * box[2:].max()
    cv2.rectangle(within, low.astype(int).tolist(), high.astype(int).tolist(), 255, -1)
    return mask & within


def _disc(radius: int) -> NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
