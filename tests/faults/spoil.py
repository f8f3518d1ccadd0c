# SPDX-License-Identifier: Apache-2.0
"""Ways to spoil bytes and JSON, drawn from a seed."""

from __future__ import annotations

import copy
import json
import random
import struct
from typing import Any

_PLACE = "the raw text stands here"
RAW = (
    "1e999",
    "NaN",
    "-Infinity",
    "1" + "0" * 400,
    "[" * 100_000 + "]" * 100_000,
    '{"a":1,"a":2}',
    "-0",
    "tru",
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 255, 2**31, 2**53 + 1, -(2**63), 2**63 - 1, 10**9, 10**7),
    *(0.5, -0.5, 1e-300, 1e30, 1e308, -1e308),
    *(
        "",
        "a",
        "0",
        "../../etc/passwd",
        "\x00",
        "\x1b[2J",
        "line\nline",
        "\ud800",
        "é",
        "hf-hub:a/b",
        "x" * 5000,
    ),
    *([], {}, [[]], [None], [1, 2], [0.5, float(2**40)], {"a": 1}, [[1, 2], [3, 4]], ["a", "b"]),
)
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def spoil_bytes(data: bytes, draw: random.Random) -> bytes:
    """Flip, cut, splice, repeat or overwrite, once to four times."""
    spoilt = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        way = draw.randrange(7)
        place = draw.randrange(len(spoilt) + 1)
        near = min(place, draw.randrange(64)) if draw.random() < 0.3 else place  # headers are at the start
        if way == 0 and spoilt:
            spoilt[min(near, len(spoilt) - 1)] ^= 1 << draw.randrange(8)
        elif way == 1:
            del spoilt[place:]
        elif way == 2:
            del spoilt[near : near + draw.choice((1, 2, 4, 16, 100))]
        elif way == 3:
            spoilt[near:near] = draw.randbytes(draw.choice((1, 2, 4, 16, 100)))
        elif way == 4:
            form = draw.choice("<>") + draw.choice("BHIQ")
            number = struct.pack(form, draw.choice(NUMBERS) & (256 ** struct.calcsize(form) - 1))
            spoilt[near : near + len(number)] = number
        elif way == 5:
            start = draw.randrange(len(spoilt) + 1)
            spoilt[near:near] = spoilt[start : start + draw.choice((4, 16, 64, 256))]
        else:
            count = draw.choice((4, 16, 64))
            spoilt[near : near + count] = bytes(count)
    return bytes(spoilt)


def spoil_json(content: Any, draw: random.Random) -> str:  # noqa: ANN401  # JSON
    """Text of a JSON value with one or two of its members replaced, removed, moved, repeated or added."""
    content = copy.deepcopy(content)
    raw = _PLACE
    for _ in range(draw.choice((1, 1, 2))):
        places = list(_places(content))
        if not places:
            break
        holder, key = draw.choice(places)
        way = draw.randrange(8)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif way == 1:
            holder[draw.choice(("a", "", "__class__", str(key).upper()))] = holder[key]
        elif way == 2:
            other, place = draw.choice(places)
            holder[key] = copy.deepcopy(other[place]) if place in other or isinstance(other, list) else None
        elif way == 3 and type(holder[key]) in (int, float):
            holder[key] = holder[key] * draw.choice((-1, 2, 0.5, 1e6)) + draw.choice((0, 1, -1, 0.25))
        elif way == 4 and isinstance(holder, list):
            draw.shuffle(holder)
        elif way == 5:
            holder[key], raw = _PLACE, draw.choice(RAW)
        else:
            holder[key] = copy.deepcopy(draw.choice(VALUES))
    return json.dumps(content).replace(f'"{_PLACE}"', raw)


def spoil_text(text: str, draw: random.Random) -> bytes:
    """Bytes of a text that is no JSON: as bytes, or with a word replaced."""
    if draw.random() < 0.5:
        return spoil_bytes(text.encode(), draw)
    words = text.split(" ") if " " in text else text.split(",")
    words[draw.randrange(len(words))] = str(draw.choice(VALUES))
    return (" " if " " in text else ",").join(words).encode(errors="surrogatepass")


def _places(content: Any) -> Any:  # noqa: ANN401  # JSON; an iterator of (holder, key)
    if isinstance(content, dict | list):
        for key in list(content) if isinstance(content, dict) else range(len(content)):
            yield content, key
            yield from _places(content[key])
