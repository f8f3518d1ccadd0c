# SPDX-License-Identifier: Apache-2.0
"""Padding: every category gets the same number of keypoints, by adding points on its links.

FMMP, arXiv:2503.21140, section 3.4, Eq. (8), in the form the released weights were trained with: a point is
lambda * start + (1 - lambda) * end with lambda ascending, and the new chain runs start -> first -> ... ->
end, so its first point is the one nearest to the *end*; the old links stay.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.pose.errors import KeypointError, LinkError

Method = Literal["uniform", "mixup", "zero"]
PADDING_SEED = 0  # of the draws at deployment, where the same support is padded the same way every time
METHODS: tuple[Method, ...] = get_args(Method)
Padded = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]


def pad_keypoints(
    keypoints: ArrayLike,
    visible: ArrayLike,
    links: ArrayLike,
    count: int,
    method: Method = "uniform",
    lam: ArrayLike | None = None,
    link_choice: ArrayLike | None = None,
) -> Padded:
    """Pad the keypoints of one image to `count`.

    uniform: equally many points on every link, dividing it equally; the remainder stays zero and hidden.
    mixup:   the points of `lam` and `link_choice`; give support and target the same draw (`draw_mixup`).
    zero:    points at (0, 0), hidden.
    A padded point is visible when both ends of its link are; only then is its link chained.

    Args:
        keypoints: (K_c, 2), x and y in [0, 1].
        visible: (K_c,) bool.
        links: (E, 2), indices into `keypoints`.
        count: K, at least K_c.
        method: see above.
        lam: (K - K_c,) share of the start in each point of mixup; of a longer draw the last are used.
        link_choice: (K - K_c,) index of a link for each point of mixup; of a longer draw the first are used.

    Returns:
        (K, 2) keypoints, (K,) bool, and (E', 2) links: the given ones, then the chains, link by link.

    Raises:
        KeypointError: more than `count` keypoints, or arrays that do not belong together.
        LinkError: a link outside the keypoints, or mixup without a link.
        ValueError: mixup without its draws, draws without mixup, or an unknown method.
    """
    points, shown, edges = _as_arrays(keypoints, visible, links)
    num_extra = count - len(points)
    if num_extra < 0:
        raise KeypointError(f"{len(points)} keypoints do not fit: this model takes at most {count}")
    if (lam is not None or link_choice is not None) and method != "mixup":
        raise ValueError(f"lam and link_choice belong to mixup, not to {method!r}")

    if method == "uniform":
        chosen, share = _uniform(len(edges), num_extra)
    elif method == "mixup":
        chosen, share = _mixup(len(edges), num_extra, lam, link_choice)
    elif method == "zero":
        chosen, share = np.zeros(0, np.int64), np.zeros(0)
    else:
        raise ValueError(f"padding method must be uniform, mixup or zero, got {method!r}")

    start, end = edges[chosen].T
    padded = np.zeros((count, 2), np.float32)
    padded_visible = np.zeros(count, np.bool_)
    placed = slice(len(points), len(points) + len(chosen))
    padded[: len(points)] = points
    padded[placed] = share[:, None] * points[start] + (1 - share[:, None]) * points[end]
    padded_visible[: len(points)] = shown
    padded_visible[placed] = shown[start] & shown[end]
    chains = _chains(edges, chosen, padded_visible[placed], len(points))
    return padded, padded_visible, np.concatenate([edges, chains])


def pad_alike(
    images: Sequence[tuple[ArrayLike, ArrayLike]],
    links: ArrayLike,
    count: int,
    method: Method,
    *,
    alpha: float = 1.0,
    rng: np.random.Generator,
) -> list[Padded]:
    """Pad images of one category with the same points: mixup draws once for all of them.

    A category without links has nothing to mix and is padded with zeros.

    Args:
        images: keypoints (K_c, 2) and visible (K_c,) of each.
        links: (E, 2).
        count: K.
        method: as in `pad_keypoints`.
        alpha: of mixup.
        rng: only mixup draws from it.

    Raises:
        KeypointError, LinkError: as in `pad_keypoints`.
    """
    lam, link_choice = None, None
    num_links = len(np.asarray(links).reshape(-1, 2))
    if method == "mixup" and not num_links:
        method = "zero"
    if method == "mixup":
        num_extra = count - len(np.asarray(images[0][1]))
        lam, link_choice = draw_mixup(num_links, max(num_extra, 0), alpha, rng)
    return [pad_keypoints(*image, links, count, method, lam, link_choice) for image in images]


def draw_mixup(
    num_links: int, num_extra: int, alpha: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw `lam` ~ Beta(alpha, alpha) and `link_choice`, (num_extra,) each, for one support and its targets.

    FMMP, arXiv:2503.21140, Eq. (8). alpha 1 draws uniformly; larger values favour the middle of a link.

    Raises:
        LinkError: there is something to add and no link to add it on.
    """
    if num_extra and not num_links:
        raise LinkError(
            f"cannot draw {num_extra} keypoints: this category has no links; pad with zeros instead"
        )
    return rng.beta(alpha, alpha, size=num_extra), rng.integers(max(num_links, 1), size=num_extra)


def _as_arrays(
    keypoints: ArrayLike, visible: ArrayLike, links: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    points, shown = np.asarray(keypoints, np.float32), np.asarray(visible, np.bool_)
    edges = np.asarray(links, np.int64).reshape(-1, 2)
    if points.ndim != 2 or points.shape[1] != 2 or shown.shape != points.shape[:1]:
        raise KeypointError(
            f"keypoints must be (K, 2) and visible (K,), got {points.shape} and {shown.shape}"
        )
    if edges.size and not (edges.min() >= 0 and edges.max() < len(points)):
        raise LinkError(f"links must stay in 0 to {len(points) - 1}, got {edges.min()} to {edges.max()}")
    return points, shown, edges


def _uniform(num_links: int, num_extra: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Link and share of the start for each padded point, equally many on every link."""
    each = num_extra // num_links if num_links else 0
    return np.repeat(np.arange(num_links), each), np.tile(np.arange(1, each + 1) / (each + 1), num_links)


def _mixup(
    num_links: int, num_extra: int, lam: ArrayLike | None, link_choice: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Link and share of the start for each padded point: link by link, shares ascending on each.

    As released, the draw of links only says how many points each gets; the shares are dealt out in order.
    """
    if lam is None or link_choice is None:
        raise ValueError(
            "mixup needs lam and link_choice: draw them once for support and target (draw_mixup)"
        )
    if num_extra == 0:
        return np.zeros(0, np.int64), np.zeros(0)
    shares, choice = np.asarray(lam, np.float64)[-num_extra:], np.asarray(link_choice, np.int64)[:num_extra]
    if len(shares) != num_extra or len(choice) != num_extra:
        raise ValueError(f"mixup needs {num_extra} lam and link_choice, got {len(shares)} and {len(choice)}")
    if choice.min() < 0 or choice.max() >= num_links:
        raise LinkError(f"link_choice must be below {num_links}, the number of links, got {choice.max()}")
    chosen = np.sort(choice)
    return chosen, shares[np.lexsort((shares, chosen))]


def _chains(
    links: NDArray[np.int64], chosen: NDArray[np.int64], shown: NDArray[np.bool_], first: int
) -> NDArray[np.int64]:
    """Links start -> point -> ... -> point -> end for the shown points, (E, 2), in the order of `chosen`.

    Point i, keypoint `first` + i, lies on link `chosen[i]`.
    """
    points_of: dict[int, list[int]] = {}
    for point, link in enumerate(chosen.tolist()):
        if shown[point]:
            points_of.setdefault(link, []).append(first + point)
    chains: list[tuple[int, int]] = []
    for link, points in points_of.items():
        chains += pairwise([int(links[link, 0]), *points, int(links[link, 1])])
    return np.array(chains, np.int64).reshape(-1, 2)
