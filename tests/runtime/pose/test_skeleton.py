# SPDX-License-Identifier: Apache-2.0
"""Breadth-first index and spanning tree against naive references."""

from collections import deque
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmmp_runtime.pose import LinkError, keypoint_count, minimum_spanning_tree, reference_index
from tests.golden import load_json

CASES = load_json("padding")


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("heads", [1, 8, 16])
def test_golden(case: dict[str, Any], heads: int) -> None:
    index = reference_index(case["padded_visible"], case["padded_links"], heads)
    assert index.tolist() == [row[:heads] for row in case["reference_index"]]


@given(st.integers(1, 20), st.integers(0, 40), st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_matches_queue(count: int, num_links: int, heads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    visible = rng.random(count) < 0.8
    links = rng.integers(count, size=(num_links, 2))  # self links and duplicates too
    expected = []
    for start in range(count):
        order, queue, seen = [], deque([start]), {start}
        while queue:
            node = queue.popleft()
            order.append(node)
            if not visible[node]:
                continue
            for a, b in links:
                for here, there in ((a, b), (b, a)):
                    if here == node and there not in seen:
                        seen.add(there)
                        queue.append(there)
        expected.append((order + [start] * heads)[:heads])
    index = reference_index(visible, links, heads)
    assert index.dtype == np.int64
    assert index.tolist() == expected


def test_hidden_keypoint_is_reached_but_leads_nowhere() -> None:
    index = reference_index([True, False, True], [[0, 1], [1, 2]], 3)
    assert index.tolist() == [[0, 1, 0], [1, 1, 1], [2, 1, 2]]


def _tree_by_kruskal(points: np.ndarray) -> float:
    """Length of the shortest tree, by joining groups over the shortest links first."""
    group, total = list(range(len(points))), 0.0
    for length, a, b in sorted(
        (float(np.linalg.norm(points[a] - points[b])), a, b) for a, b in combinations(group, 2)
    ):
        if group[a] != group[b]:
            old, total = group[b], total + length
            group = [group[a] if g == old else g for g in group]
    return total


@given(st.integers(0, 15), st.integers(0, 2**32 - 1))
def test_spanning_tree_is_shortest_and_joins_all_visible(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, visible = rng.random((count, 2)) * 300, rng.random(count) < 0.8
    links = minimum_spanning_tree(points, visible)
    nodes = np.flatnonzero(visible)
    assert links.shape == (max(len(nodes) - 1, 0), 2)
    assert set(links.ravel()) <= set(nodes.tolist())
    reached = set(nodes[:1].tolist())
    for _ in nodes:
        reached |= {n for link in links.tolist() if reached & set(link) for n in link}
    assert reached == set(nodes.tolist())
    length = np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1).sum()
    assert length == pytest.approx(
        _tree_by_kruskal(points[visible]), rel=1e-12
    )  # the same sum in another order


def test_spanning_tree_survives_points_in_one_place() -> None:
    assert minimum_spanning_tree(np.zeros((3, 2)), np.ones(3, bool)).tolist() == [[0, 1], [0, 2]]


def test_hidden_points_are_not_read() -> None:
    points = np.array([[0, 0], [np.nan, np.nan], [5, 0]])
    assert minimum_spanning_tree(points, [True, False, True]).tolist() == [[0, 2]]


def test_keypoint_count_is_that_of_the_annotation() -> None:
    assert keypoint_count([[0, 1], [1, 2]], 3) == 3
    assert keypoint_count([[0, 1], [1, 2]], 4) == 4  # an unlinked last keypoint counts
    assert keypoint_count([], 2) == 2
    with pytest.raises(LinkError, match="names keypoint 3, but there are 3"):
        keypoint_count([[0, 3]], 3)
