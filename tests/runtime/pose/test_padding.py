# SPDX-License-Identifier: Apache-2.0
"""Padding against golden values and against a loop written from the text of the paper."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmmp_runtime.pose import KeypointError, LinkError, Method, draw_mixup, pad_alike, pad_keypoints
from tests.golden import load_json

CASES = load_json("padding")
SQUARE = np.array([[0.1, 0.2], [0.9, 0.2], [0.9, 0.6], [0.1, 0.6]], np.float32)
RING = [[0, 1], [1, 2], [2, 3], [3, 0]]
SHOWN = np.ones(4, bool)


@pytest.mark.parametrize("case", CASES, ids=[f"{c['method']}-{i}" for i, c in enumerate(CASES)])
def test_golden(case: dict[str, Any]) -> None:
    keypoints, visible, links = pad_keypoints(
        case["keypoints"],
        case["visible"],
        case["links"],
        case["count"],
        case["method"],
        case.get("lam"),
        case.get("link_choice"),
    )
    # coordinates below 1 in float32, three roundings of 2^-25 on the released side, one here
    np.testing.assert_allclose(keypoints, case["padded_keypoints"], rtol=0, atol=1.2e-7)
    assert visible.tolist() == [bool(v) for v in case["padded_visible"]]
    assert links.tolist() == case["padded_links"]


def test_images_of_a_category_share_one_draw() -> None:
    rng = np.random.default_rng(0)
    images = [(rng.random((3, 2), np.float32), np.ones(3, bool)) for _ in range(2)]
    links = [[0, 1], [1, 2]]
    lam, choice = draw_mixup(2, 7, 3.0, np.random.default_rng(5))
    found = pad_alike(images, links, 10, "mixup", alpha=3.0, rng=np.random.default_rng(5))
    for (points, shown), each in zip(images, found, strict=True):
        padded, padded_shown, chains = pad_keypoints(points, shown, links, 10, "mixup", lam, choice)
        assert np.array_equal(each[0], padded)
        assert np.array_equal(each[1], padded_shown)
        assert np.array_equal(each[2], chains)


@pytest.mark.parametrize("method", ["uniform", "mixup", "zero"])
def test_a_category_without_links_is_padded_with_zeros(method: Method) -> None:
    [(points, shown, links)] = pad_alike(
        [(np.ones((2, 2)), np.ones(2, bool))], [], 5, method, rng=np.random.default_rng(0)
    )
    assert points.tolist() == [[1, 1]] * 2 + [[0, 0]] * 3
    assert shown.tolist() == [True] * 2 + [False] * 3
    assert links.shape == (0, 2)


@st.composite
def skeletons(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[list[int]], int]:
    count = draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pairs = [[a, b] for a in range(count) for b in range(count) if a != b]
    links = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=15, unique_by=tuple))
    return (
        rng.random((count, 2), np.float32),
        rng.random(count) < 0.8,
        links,
        count + draw(st.integers(0, 60)),
    )


@given(skeletons(), st.sampled_from(["uniform", "mixup"]), st.integers(0, 2**32 - 1))
def test_matches_loop(
    case: tuple[np.ndarray, np.ndarray, list[list[int]], int], method: Method, seed: int
) -> None:
    keypoints, visible, links, count = case
    extra = count - len(keypoints)
    lam, choice = draw_mixup(len(links), extra, 1.0, np.random.default_rng(seed))
    draws = {"lam": lam, "link_choice": choice} if method == "mixup" else {}
    points, shown, all_links = pad_keypoints(keypoints, visible, links, count, method, **draws)

    expected, expected_shown, expected_links = list(keypoints.astype(float)), list(visible), list(links)
    shares = list(lam)
    for number, (start, end) in enumerate(links):
        if method == "mixup":
            here = int((choice == number).sum())
            taken, shares = sorted(shares[:here]), shares[here:]
        else:
            here = extra // len(links)
            taken = [i / (here + 1) for i in range(1, here + 1)]
        last = start
        for share in taken:
            expected.append(share * expected[start] + (1 - share) * expected[end])
            expected_shown.append(visible[start] and visible[end])
            if expected_shown[-1]:
                expected_links.append([last, len(expected) - 1])
                last = len(expected) - 1
        if last != start:
            expected_links.append([last, end])
    expected += [np.zeros(2)] * (count - len(expected))
    expected_shown += [False] * (count - len(expected_shown))

    np.testing.assert_allclose(
        points, expected, rtol=0, atol=6e-8
    )  # coordinates below 1, rounded to float32 once
    assert shown.tolist() == [bool(v) for v in expected_shown]
    assert all_links.tolist() == expected_links
    assert [a.dtype.name for a in (points, shown, all_links)] == ["float32", "bool", "int64"]


def test_support_and_target_share_one_draw() -> None:
    """An affine map of the keypoints maps the padded keypoints alike: same semantics on both images."""
    lam, choice = draw_mixup(4, 66, 1.0, np.random.default_rng(0))
    support, _, _ = pad_keypoints(SQUARE, SHOWN, RING, 70, "mixup", lam, choice)
    target, _, _ = pad_keypoints(SQUARE * 0.5 + 0.25, SHOWN, RING, 70, "mixup", lam, choice)
    np.testing.assert_allclose(
        target, support * 0.5 + 0.25, rtol=0, atol=1.2e-7
    )  # two float32 roundings below 1


def test_first_padded_point_of_a_chain_is_near_the_end() -> None:
    points, _, links = pad_keypoints([[0, 0], [1, 0]], [True, True], [[0, 1]], 5)
    np.testing.assert_array_equal(points[2:, 0], [0.75, 0.5, 0.25])
    assert links.tolist() == [[0, 1], [0, 2], [2, 3], [3, 4], [4, 1]]


def test_hidden_end_hides_points_and_drops_the_chain() -> None:
    points, visible, links = pad_keypoints(SQUARE, [False, True, True, True], RING, 8)
    assert visible[4:].tolist() == [False, True, True, False]
    assert links[4:].tolist() == [[1, 5], [5, 2], [2, 6], [6, 3]]
    assert points[4:].all()  # hidden, yet placed: as released


@pytest.mark.parametrize("method", ["uniform", "zero"])
def test_no_links_pads_with_hidden_zeros(method: Method) -> None:
    points, visible, links = pad_keypoints(SQUARE, SHOWN, [], 7, method)
    assert not points[4:].any()
    assert not visible[4:].any()
    assert links.shape == (0, 2)


@pytest.mark.parametrize("method", ["uniform", "zero", "mixup"])
def test_full_category_stays_as_it_is(method: Method) -> None:
    draws: dict[str, list[float]] = {"lam": [], "link_choice": []} if method == "mixup" else {}
    points, visible, links = pad_keypoints(SQUARE, SHOWN, RING, 4, method, **draws)
    np.testing.assert_array_equal(points, SQUARE)
    assert visible.all()
    assert links.tolist() == RING


def test_beta_favours_the_middle() -> None:
    rng = np.random.default_rng(0)
    flat, peaked = (draw_mixup(3, 4000, alpha, rng)[0] for alpha in (1.0, 8.0))
    assert flat.std() > 0.27  # of a uniform draw: 0.289
    assert peaked.std() < 0.14  # of Beta(8, 8): 0.121


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((SQUARE, SHOWN, RING, 3), KeypointError, "4 keypoints do not fit: this model takes at most 3"),
        ((SQUARE[:, :1], SHOWN, RING, 9), KeypointError, r"\(4, 1\)"),
        ((SQUARE, SHOWN[:3], RING, 9), KeypointError, r"got \(4, 2\) and \(3,\)"),
        ((SQUARE, SHOWN, [[0, 4]], 9), LinkError, "0 to 3, got 0 to 4"),
        ((SQUARE, SHOWN, [[-1, 2]], 9), LinkError, "got -1 to 2"),
        ((SQUARE, SHOWN, RING, 9, "mixup"), ValueError, "mixup needs lam"),
        ((SQUARE, SHOWN, RING, 9, "uniform", [0.5] * 5, [0] * 5), ValueError, "belong to mixup"),
        ((SQUARE, SHOWN, RING, 9, "mixup", [0.5] * 4, [0] * 5), ValueError, "needs 5 lam .* got 4 and 5"),
        ((SQUARE, SHOWN, RING, 9, "mixup", [0.5] * 5, [4] * 5), LinkError, "below 4"),
        ((SQUARE, SHOWN, [], 9, "mixup", [0.5] * 5, [0] * 5), LinkError, "below 0"),
        ((SQUARE, SHOWN, RING, 9, "mirror"), ValueError, "uniform, mixup or zero, got 'mirror'"),
    ],
)
def test_names_the_fault(arguments: tuple[Any, ...], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        pad_keypoints(*arguments)


def test_draw_without_links_is_refused() -> None:
    with pytest.raises(LinkError, match="no links; pad with zeros"):
        draw_mixup(0, 5, 1.0, np.random.default_rng(0))
