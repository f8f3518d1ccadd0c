# SPDX-License-Identifier: Apache-2.0
"""Links as people write them: counted from 0 or from 1, in either direction, some twice."""

from typing import Any

from fmmp_runtime.annotation.content import shorten
from fmmp_runtime.pose import LinkError

Links = list[list[int]]


def read_links(
    links: Any,  # noqa: ANN401  # whatever the JSON holds
    count: int,
    *,
    links_from: int | None = None,
    lenient: bool = False,
) -> tuple[Links, list[str]]:
    """Links counted from 0, in the order of the file, and notes.

    Links count from 1 for certain where one names the keypoint `count` and none the keypoint 0, and from 0
    where one names 0. Where none names either, only the user knows.

    Args:
        links: as the file holds them; None: none.
        count: K_c.
        links_from: what the first keypoint is called, 0 or 1; None: to be found out.
        lenient: without a proof they count from 0, as MP-100's own files do.

    Raises:
        LinkError: no pairs of whole numbers, out of range, a keypoint to itself, or nobody knows from where.
    """
    pairs = _pairs(links)
    if links_from not in (None, 0, 1):
        raise LinkError(
            f"links_from must be 0 or 1, the number of the first keypoint, got {shorten(links_from)}"
        )
    low = min((min(pair) for pair in pairs), default=0)
    high = max((max(pair) for pair in pairs), default=0)
    if links_from is None and low > 0 and high == count:
        shifted = [[start - 1, end - 1] for start, end in pairs]
        return shifted, ["the skeleton counts keypoints from 1, as COCO's own files do: read so"]
    first = int(links_from or 0)
    for number, pair in enumerate(pairs):
        if min(pair) < first or max(pair) >= count + first:
            worst = min(pair) if min(pair) < first else max(pair)
            raise LinkError(
                f"link {number}, {shorten(pair)}, is out of range: it names keypoint {shorten(worst)}, but "
                f"there are {count} keypoints, {first} to {count + first - 1}"
            )
    if links_from is None and low > 0 and not lenient:
        raise LinkError(
            f"the links name neither keypoint 0 nor keypoint {count}, so that nothing tells whether they "
            'count from 0 or from 1: say "links_from": 0 or 1 in the file, or --links-from 0|1'
        )
    return [[start - first, end - first] for start, end in pairs], []


def once(links: Links) -> tuple[Links, list[str]]:
    """Each link once, whichever its direction, the first of them; MP-100 gives some twice."""
    first = {(min(link), max(link)): link for link in reversed(links)}
    kept = [link for link in links if first[min(link), max(link)] is link]
    gone = len(links) - len(kept)
    return kept, [f"{gone} links are given twice and count once"] if gone else []


def _pairs(links: Any) -> Links:  # noqa: ANN401  # whatever the JSON holds
    if links is None:
        return []
    if not isinstance(links, list):
        raise LinkError(f"links must be a list of [i, j], got {shorten(links)}")
    for number, link in enumerate(links):
        if not isinstance(link, list) or len(link) != 2 or not all(type(end) is int for end in link):
            raise LinkError(f"link {number} must be [i, j], two keypoint indices, got {shorten(link)}")
        if link[0] == link[1]:
            raise LinkError(f"link {number}, {shorten(link)}, joins a keypoint to itself: remove it")
    return links
