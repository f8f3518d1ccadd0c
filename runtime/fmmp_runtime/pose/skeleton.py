# SPDX-License-Identifier: Apache-2.0
"""The graph of keypoints: who is near whom along the links, and links for a category that has none."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.pose.errors import LinkError


def reference_index(visible: ArrayLike, links: ArrayLike, heads: int) -> NDArray[np.int64]:
    """Where each attention head of each keypoint reads: the first `heads` keypoints in breadth-first order.

    FMMP, arXiv:2503.21140, section 3.3. Neighbours come in the order of the link list, both directions, each
    visited once. A hidden keypoint can be reached, as released, but leads nowhere; its row is only itself.
    A row with fewer neighbours than heads is filled up with the keypoint itself.

    Args:
        visible: (K,) bool, after padding.
        links: (E, 2), indices below K, after padding.
        heads: M, at least 1.

    Returns:
        (K, heads) int64; column 0 is the keypoint itself.
    """
    shown = np.asarray(visible, np.bool_).tolist()
    neighbours: list[list[int]] = [[] for _ in shown]
    for start, end in np.asarray(links, np.int64).reshape(-1, 2).tolist():
        if shown[start]:
            neighbours[start].append(end)
        if shown[end]:
            neighbours[end].append(start)
    return np.array([_nearest(neighbours, k, heads) for k in range(len(shown))], np.int64).reshape(-1, heads)


def _nearest(neighbours: list[list[int]], start: int, count: int) -> list[int]:
    """Breadth-first order from `start`, cut or filled up to `count`; it stops early, so lists do."""
    order = [start]
    for node in order:  # grows while it is read: a queue
        if len(order) >= count:
            break
        order += [near for near in dict.fromkeys(neighbours[node]) if near not in order]
    return order[:count] + [start] * (count - len(order))


def adjacency(links: ArrayLike, count: int) -> NDArray[np.bool_]:
    """Which keypoints are linked, in both directions, whatever is visible.

    Args:
        links: (E, 2), indices below `count`; one to itself sets the diagonal.
        count: K.

    Returns:
        (K, K) bool, symmetric.
    """
    matrix = np.zeros((count, count), np.bool_)
    start, end = np.asarray(links, np.int64).reshape(-1, 2).T
    matrix[start, end] = matrix[end, start] = True
    return matrix


def minimum_spanning_tree(keypoints: ArrayLike, visible: ArrayLike) -> NDArray[np.int64]:
    """Links for a category without any: the shortest tree over its visible keypoints (Prim).

    Args:
        keypoints: (K, 2), any unit; hidden ones are not read.
        visible: (K,) bool.

    Returns:
        (V - 1, 2) int64 for V visible keypoints, lower index first, sorted; empty for fewer than two.
    """
    nodes = np.flatnonzero(np.asarray(visible, np.bool_))
    points = np.asarray(keypoints, np.float64)[nodes]
    if len(nodes) < 2:
        return np.zeros((0, 2), np.int64)
    distance = np.linalg.norm(points - points[0], axis=1)  # of each node to the tree, at first node 0
    parent = np.zeros(len(nodes), np.int64)
    outside = np.arange(len(nodes)) > 0
    links = []
    for _ in nodes[1:]:
        near = int(np.where(outside, distance, np.inf).argmin())
        links.append(sorted((int(nodes[parent[near]]), int(nodes[near]))))
        outside[near] = False
        to_near = np.linalg.norm(points - points[near], axis=1)
        closer = to_near < distance
        parent[closer], distance[closer] = near, to_near[closer]
    return np.array(sorted(links), np.int64)


def keypoint_count(links: ArrayLike, annotation_count: int) -> int:
    """K_c, the number of keypoints of a category: that of its annotations.

    The released code takes the highest linked index + 1. The two differ where the last keypoint has no link
    (category 18 of MP-100, a face of 19 points), and there the annotation is right.

    Raises:
        LinkError: a link names a keypoint that the annotation lacks.
    """
    highest = int(np.max(np.asarray(links, np.int64), initial=-1))
    if highest >= annotation_count:
        raise LinkError(
            f"a link names keypoint {highest}, but there are {annotation_count} keypoints, from 0"
        )
    return annotation_count
