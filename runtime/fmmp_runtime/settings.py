# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses to JSON and back, for all our files: each field against its type, unknown ones named.

Files come from strangers: what is nested too deeply, given twice or no finite number is one line, at once.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

MAX_DEPTH = 64  # objects and arrays inside each other, as the C++ reader allows
MAX_WHOLE = 2**63 - 1  # of a whole number, likewise
_SHOWN = 60  # characters of a value in a message
_NAMES = {list: "a list", dict: "an object", str: "a string", int: "a whole number", float: "a number"}
_NAMES |= {tuple: "a list", bool: "true or false"}


def parse(text: str | bytes) -> Any:  # noqa: ANN401  # JSON
    """JSON, strictly: every number finite, no key twice in an object, at most `MAX_DEPTH` levels.

    Raises:
        ValueError: it is not; says why, in one line.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_constant,
        )
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep") from None
    _check(value, MAX_DEPTH)
    return value


def to_json(config: Any) -> str:  # noqa: ANN401  # any dataclass
    """One line of JSON with every field."""
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def from_json(kind: type[T], text: str | bytes) -> T:
    """Read what `to_json` wrote; a field left out takes its default, if it has one.

    Raises:
        ValueError: not JSON, an unknown or missing field, or a value of the wrong type; names the field.
    """
    try:
        values = parse(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    return build(kind, values)


def build(kind: type[T], values: Any, where: str = "") -> T:  # noqa: ANN401  # JSON
    """A dataclass from the members of a JSON object; raises as `from_json` does.

    Args:
        kind: the dataclass.
        values: from `parse`.
        where: name of the object with a dot behind, for messages; empty for the outermost.
    """
    if not isinstance(values, Mapping):
        raise _wrong(where.rstrip(".") or "it", "an object", values)
    own = [field for field in dataclasses.fields(kind) if field.init]  # type: ignore[arg-type]  # a dataclass
    known = [field.name for field in own]
    for key in values:
        if key not in known:
            raise ValueError(f"unknown key {where + str(key)!r}; known keys are {', '.join(known)}")
    for field in own:
        lacks_default = field.default is field.default_factory is dataclasses.MISSING
        if field.name not in values and lacks_default:
            raise ValueError(f"no key {where + field.name!r}")
    hints = get_type_hints(kind)
    return kind(**{name: _convert(hints[name], value, where + name) for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401  # JSON
    """One JSON value as its type hint says; lists become what the hint says."""
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return build(hint, value, f"{where}.")  # type: ignore[arg-type]  # a class here
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if type(value) is not type(inner[0]) or value not in inner:
            raise _wrong(where, f"one of {', '.join(map(str, inner))}", value)
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        [only] = [option for option in inner if option is not type(None)]
        return _convert(only, value, where)
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise _wrong(where, "a list", value)
        return origin(_convert(inner[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        return {key: _convert(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and type(value) is int:  # JSON has one kind of number
        return float(value)
    if type(value) is not hint:
        raise _wrong(where, _NAMES[hint], value)
    return value


def _wrong(where: str, expected: str, value: Any) -> ValueError:  # noqa: ANN401  # JSON
    return ValueError(f"{where} must be {expected}, got {json.dumps(value)[:_SHOWN]}")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"the key {key[:_SHOWN]!r} is given twice")
        members[key] = value
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_SHOWN]} is too large a number")
    return number


def _whole(text: str) -> int:
    if len(text) > len(str(-MAX_WHOLE)) or abs(int(text)) > MAX_WHOLE:
        raise ValueError(f"{text[:_SHOWN]} is too large a number")
    return int(text)


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _check(value: Any, left: int) -> None:  # noqa: ANN401  # JSON
    """Refuse what is nested more than `left` levels deep, and text that no file or terminal takes."""
    if isinstance(value, str) and not value.isascii():
        value.encode()  # half of a surrogate pair is a UnicodeEncodeError, and so a ValueError
    if not isinstance(value, list | dict):
        return
    if left == 0:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    for item in [*value, *value.values()] if isinstance(value, dict) else value:
        _check(item, left - 1)
