# SPDX-License-Identifier: Apache-2.0
"""Links of a category when some of its keypoints are left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bridge_links(links: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Links between the kept keypoints; a removed one joins its first kept neighbour to the others.

    Args:
        links: (E, 2), old indices, none of a point to itself.
        place: (K_old,) new index of each keypoint, -1 for a removed one.

    Returns:
        (E', 2), new indices: no link twice, none of a point to itself.
    """
    edges = [(int(a), int(b)) for a, b in links]
    for gone in np.flatnonzero(place < 0).tolist():
        around = list(dict.fromkeys(b if a == gone else a for a, b in edges if gone in (a, b)))
        edges = [edge for edge in edges if gone not in edge] + [(around[0], b) for b in around[1:]]
    seen = {frozenset(edge): edge for edge in reversed(edges)}
    return np.array([(place[a], place[b]) for a, b in reversed(seen.values())], np.int64).reshape(-1, 2)
