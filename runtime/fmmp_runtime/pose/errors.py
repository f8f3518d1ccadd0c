# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an annotation, by name; all are ValueErrors that the user can mend."""


class AnnotationError(ValueError):
    """An annotation that cannot be used as it is."""


class KeypointError(AnnotationError):
    """Keypoints: too many, not finite, outside the image, none visible."""


class LinkError(AnnotationError):
    """Links: an end that is not a keypoint, a link of a point to itself, a link given twice."""


class BoxError(AnnotationError):
    """A bounding box that is not finite or covers no part of the image."""
