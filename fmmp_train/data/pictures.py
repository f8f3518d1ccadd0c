# SPDX-License-Identifier: Apache-2.0
"""The picture of an annotated instance, of the size that its annotation is in."""

from __future__ import annotations

import logging
from functools import lru_cache

import cv2
import numpy as np

from fmmp_runtime.annotation.size import scale_to
from fmmp_runtime.media.image import Image, read_image
from fmmp_runtime.pose import AnnotationError
from fmmp_train.data.coco import DataError, Instance

LOGGER = logging.getLogger("fmmp.data")


def read_picture(instance: Instance) -> Image:
    """Read the image; one that is a whole number of times larger or smaller than declared is scaled.

    Pictures of MP-100's own files are taken as they are, as in the released code; `fmmp-data check` tells.

    Raises:
        OSError: it is missing or unreadable.
        ImageError: it is no picture.
        DataError: it has another size than the file says; names both.
    """
    return fit_picture(read_image(instance.image), instance)


def fit_picture(image: Image, instance: Instance) -> Image:
    """The image in the size that the file declares.

    Raises:
        DataError: it is of another size that is no multiple; names both.
    """
    found, declared = (image.shape[0], image.shape[1]), instance.image_size_hw
    if found == declared or instance.official:
        return image
    try:
        factor = scale_to(declared, found, instance.keypoints_px[instance.visible], str(instance.image))
    except AnnotationError as error:
        raise DataError(str(error)) from error
    _say(str(instance.image.parent), 1 / factor)
    way = cv2.INTER_AREA if factor > 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, declared[::-1], interpolation=way), np.uint8)


@lru_cache(maxsize=256)
def _say(folder: str, factor: float) -> None:
    """Once a folder: its pictures were probably all saved by one tool."""
    LOGGER.warning(
        "pictures in %s are scaled by %g to the size that their annotations declare", folder, factor
    )
