# SPDX-License-Identifier: Apache-2.0
"""Two examples whose files name the keypoints in different orders."""

from dataclasses import replace

import numpy as np
import pytest

from fmmp_runtime.annotation import Annotation
from fmmp_runtime.annotation.shots import match_names
from fmmp_runtime.pose import KeypointError

NAMES = ["nose", "eye", "paw"]


def _annotation(names: list[str] | None, links: list[list[int]] | None) -> Annotation:
    places = {"nose": 1.0, "eye": 2.0, "paw": 3.0, "tail": 4.0}
    return Annotation(
        keypoints=np.array([[places[name], 10 * places[name]] for name in names or NAMES]),
        visible=np.array([name != "eye" for name in names or NAMES]),
        links=links,
        box=None,
        names=names,
        image=None,
    )


def test_shots_are_matched_by_name() -> None:
    """Row 8: the same keypoints, with their links, in the order of the first."""
    first = _annotation(NAMES, [[0, 1], [1, 2]])
    other = _annotation(["paw", "nose", "eye"], [[2, 0], [1, 2]])
    (one, two), notes = match_names([first, other])
    assert one is first
    np.testing.assert_array_equal(two.keypoints, first.keypoints)
    assert two.visible.tolist() == [True, False, True]
    assert (two.names, two.links) == (NAMES, [[0, 1], [1, 2]])
    assert notes == [
        "keypoints of annotation 2 stand in another order: matched with those of annotation 1 by their names"
    ]


def test_the_same_order_needs_no_word() -> None:
    first, other = _annotation(NAMES, None), _annotation(NAMES, None)
    assert match_names([first, other])[1] == []
    assert match_names([replace(first, names=None), replace(other, names=None)])[1] == []


def test_different_names_are_refused() -> None:
    with pytest.raises(KeypointError, match=r"only the first has \['paw'\], only the other \['tail'\]"):
        match_names([_annotation(NAMES, None), _annotation(["nose", "eye", "tail"], None)])
    twice = ["nose", "nose", "eye"]
    with pytest.raises(KeypointError, match="a name is there twice"):
        match_names([_annotation(twice, None), _annotation(["nose", "eye", "nose"], None)])


def test_missing_names_are_told() -> None:
    (_, two), notes = match_names([_annotation(NAMES, None), _annotation(None, None)])
    assert two.names is None
    assert notes == ["annotation 2 has no names: its keypoints are taken to stand in the order of the others"]
