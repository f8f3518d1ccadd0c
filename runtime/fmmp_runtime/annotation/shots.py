# SPDX-License-Identifier: Apache-2.0
"""Several examples of one category: the same keypoints in the same order, brought together by their names."""

from collections.abc import Sequence
from dataclasses import replace

from fmmp_runtime.annotation.record import Annotation
from fmmp_runtime.pose import KeypointError


def match_names(annotations: Sequence[Annotation]) -> tuple[list[Annotation], list[str]]:
    """The annotations with their keypoints in the order of the first that names them, and notes.

    Raises:
        KeypointError: two have different names, or one name twice in different orders.
    """
    named = [(number, a.names) for number, a in enumerate(annotations) if a.names is not None]
    if not named:
        return list(annotations), []
    first, wanted = named[0]
    matched, moved = list(annotations), []
    notes = [
        f"annotation {number + 1} has no names: its keypoints are taken to stand in the order of the others"
        for number, annotation in enumerate(annotations)
        if annotation.names is None
    ]
    for number, names in named[1:]:
        if sorted(names) != sorted(wanted):
            lacking, foreign = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
            raise KeypointError(
                f"annotations {first + 1} and {number + 1} have different keypoints: only the first has "
                f"{lacking}, only the other {foreign}; all examples of a category have the same names"
            )
        if names != wanted:
            if len(set(wanted)) < len(wanted):
                raise KeypointError(
                    f"annotations {first + 1} and {number + 1} cannot be matched: a name is there twice"
                )
            matched[number] = _reorder(annotations[number], [names.index(name) for name in wanted])
            moved.append(str(number + 1))
        matched[number] = _same_links(matched[first], matched[number])
    if not moved:
        return matched, notes
    return matched, [
        *notes,
        f"keypoints of annotation {', '.join(moved)} stand in another order: matched with those of "
        f"annotation {first + 1} by their names",
    ]


def _reorder(annotation: Annotation, order: list[int]) -> Annotation:
    """`order`: for each new place, the old one."""
    new_place = {old: new for new, old in enumerate(order)}
    links, names = annotation.links, annotation.names or []
    return replace(
        annotation,
        keypoints=annotation.keypoints[order],
        visible=annotation.visible[order],
        names=[names[old] for old in order],
        links=None if links is None else [[new_place[start], new_place[end]] for start, end in links],
    )


def _same_links(first: Annotation, other: Annotation) -> Annotation:
    """The links of the first where both have the same ones in another order."""
    sets = [{frozenset(link) for link in a.links or []} for a in (first, other)]
    return replace(other, links=first.links) if other.links is not None and sets[0] == sets[1] else other
