# SPDX-License-Identifier: Apache-2.0
"""From the annotation of a support to what a network reads of it: in the crop, padded, with its structure.

A network reads around a hidden keypoint where a visible one is linked to it, so its place must be one that
nobody has to know. The rule, here and in the C++ runtime: it is pixel (0, 0) of the image, whatever is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.pose.crop import transform_points
from fmmp_runtime.pose.padding import PADDING_SEED, Method, Padded, pad_alike
from fmmp_runtime.pose.skeleton import adjacency, reference_index

Structure = Literal["reference_index", "adjacency"]
ShownBy = Literal["any", "every"]
Inputs = dict[str, NDArray[Any]]  # tensors by the names that they have in a graph


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What an estimator reads: the size of crops, and the form of a support's annotation."""

    image_size: int = 256  # pixels, both sides of a crop
    max_keypoints: int = 70  # K
    padding: Method = "uniform"  # of a category's keypoints to K, at deployment
    structure: Structure | None = "reference_index"  # the form in which it reads the links; None: not at all
    num_heads: int = 8  # M, columns of a reference index
    shown_by: ShownBy = "any"  # supports that must show a keypoint for it to be located
    fixed_keypoints: bool = False  # K can't be another: the weights are made for it

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors of `support_inputs`, in the order in which a network takes them."""
        return (
            ("keypoints", "visible") if self.structure is None else ("keypoints", "visible", self.structure)
        )


def crop_keypoints(
    keypoints_px: ArrayLike, visible: ArrayLike, matrix: ArrayLike, image_size: int
) -> NDArray[np.float64]:
    """Keypoints of an image as parts of its crop; hidden ones as if they were at pixel (0, 0) of the image.

    There COCO's files put a keypoint without a label, and MP-100 all of its hidden ones, so trained networks
    know it, and it reads background or nothing.

    Args:
        keypoints_px: (K_c, 2), pixels of the image; what a hidden one holds is not read, and may be NaN.
        visible: (K_c,) bool.
        matrix: (2, 3), image pixels -> pixels of the crop.
        image_size: side of the crop, pixels.

    Returns:
        (K_c, 2), x and y, in [0, 1] inside the crop.
    """
    shown = np.asarray(visible, np.bool_)[:, None]
    return transform_points(np.where(shown, np.asarray(keypoints_px, np.float64), 0.0), matrix) / image_size


def support_inputs(
    images: Sequence[tuple[ArrayLike, ArrayLike]], links: ArrayLike, config: InputConfig
) -> Inputs:
    """Pad the annotation of one support set as at deployment, and derive the structure.

    Args:
        images: keypoints (K_c, 2) in [0, 1] and visible (K_c,) of each shot, S of them.
        links: (E, 2) keypoint indices, of the category.
        config: what the network reads.

    Returns:
        `stack_inputs` of the padded shots.

    Raises:
        KeypointError, LinkError: as in `pad_keypoints`.
    """
    rng = np.random.default_rng(PADDING_SEED)
    return stack_inputs(pad_alike(images, links, config.max_keypoints, config.padding, rng=rng), config)


def stack_inputs(padded: Sequence[Padded], config: InputConfig) -> Inputs:
    """Stack padded shots, and derive the structure of each: `keypoints`, `visible`, and one of the last two.

    keypoints:       (S, K, 2) float32.
    visible:         (S, K) bool.
    reference_index: (S, K, M) int64, see `reference_index`.
    adjacency:       (S, K, K) bool, see `adjacency`.
    """
    points, shown, chains = zip(*padded, strict=True)
    inputs: Inputs = {"keypoints": np.stack(points), "visible": np.stack(shown)}
    if config.structure == "reference_index":
        index = [reference_index(*each, config.num_heads) for each in zip(shown, chains, strict=True)]
        inputs["reference_index"] = np.stack(index)
    elif config.structure == "adjacency":
        inputs["adjacency"] = np.stack([adjacency(links, config.max_keypoints) for links in chains])
    return inputs
