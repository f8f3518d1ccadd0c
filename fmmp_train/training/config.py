# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses to JSON and back: every field checked against its type, unknown ones named."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(config: Any) -> str:  # noqa: ANN401  # any dataclass
    """One line of JSON with every field."""
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def from_json(cls: type[T], text: str) -> T:
    """Read what `to_json` wrote; a field left out takes its default.

    Raises:
        ValueError: not JSON, an unknown field, or a value of the wrong type; names the field.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"settings are not JSON: {error}") from error
    return _build(cls, values, "")


def override(config: T, settings: Sequence[str]) -> T:
    """Change fields by "path.to.field=value"; the value is JSON, or else a plain word.

    Raises:
        ValueError: no "=", an unknown field (the known ones are named), or a value of the wrong type.
    """
    values: dict[str, Any] = json.loads(to_json(config))
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"expected field=value, got {setting!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        *parents, last = path.split(".")
        place = values
        for parent in parents:
            inner = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{path}: {parent} has no fields")
            place = inner
        place[last] = value
    return _build(type(config), values, "")


def _build(cls: type[T], values: Any, where: str) -> T:  # noqa: ANN401  # from JSON
    if not isinstance(values, Mapping):
        raise ValueError(f"{where.rstrip('.') or 'settings'}: expected an object with fields, got {values!r}")
    hints = get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"unknown setting {where}{unknown[0]}; known: {', '.join(sorted(known))}")
    return cls(**{name: _convert(hints[name], value, f"{where}{name}") for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401  # from JSON
    """Check `value` against the type `hint`; lists become tuples."""
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, f"{where}.")  # type: ignore[arg-type]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{where} must be one of {', '.join(map(repr, inner))}, got {value!r}")
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        [only] = [option for option in inner if option is not type(None)]
        return _convert(only, value, where)
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_convert(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {str(key): _convert(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{where} must be {getattr(hint, '__name__', hint)}, got {value!r}")
