# SPDX-License-Identifier: Apache-2.0
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fmmp_train.data.links import bridge_links


def connected(links: list[tuple[int, int]], count: int) -> list[int]:
    """Naive: the smallest member of each point's connected part."""
    label = list(range(count))
    for _ in range(count):
        for a, b in links:
            label[a] = label[b] = min(label[a], label[b])
    return label


@given(st.data())
def test_what_hung_together_still_does(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 12))
    point = st.integers(0, count - 1)
    links = data.draw(st.lists(st.tuples(point, point).filter(lambda e: e[0] != e[1]), max_size=20))
    kept = data.draw(st.lists(point, unique=True, min_size=1))
    place = np.full(count, -1)
    place[kept] = np.arange(len(kept))

    bridged = bridge_links(np.array(links, np.int64).reshape(-1, 2), place)

    before = connected(links, count)
    after = connected([(a, b) for a, b in bridged.tolist()], len(kept))
    for i in range(len(kept)):
        for j in range(len(kept)):
            assert (after[i] == after[j]) == (before[kept[i]] == before[kept[j]])
    assert all(a != b for a, b in bridged.tolist())
    assert len({frozenset(e) for e in bridged.tolist()}) == len(bridged)


def test_first_neighbour_takes_the_links_over() -> None:
    links = np.array([[0, 1], [2, 1], [1, 3]])  # 1 goes: 0 comes first
    assert bridge_links(links, np.array([0, -1, 1, 2])).tolist() == [[0, 1], [0, 2]]


def test_order_and_direction_stay_when_all_are_kept() -> None:
    links = np.array([[3, 1], [0, 2], [2, 1]])
    assert bridge_links(links, np.arange(4)).tolist() == links.tolist()
