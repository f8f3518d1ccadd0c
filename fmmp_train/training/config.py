# SPDX-License-Identifier: Apache-2.0
"""Changes of a recipe in the words of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from fmmp_runtime.settings import build, parse, to_json

T = TypeVar("T")


def override(config: T, changes: Sequence[str]) -> T:
    """Change fields by "path.to.field=value"; the value is JSON, or else a plain word.

    Raises:
        ValueError: no "=", an unknown field (the known ones are named), or a value of the wrong type.
    """
    values: dict[str, Any] = parse(to_json(config))
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"expected field=value, got {change!r}")
        *parents, last = path.split(".")
        place = values
        for parent in parents:
            inner = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{path}: {parent} has no fields")
            place = inner
        place[last] = _value(text)
    return build(type(config), values)


def _value(text: str) -> Any:  # noqa: ANN401  # JSON
    try:
        return parse(text)
    except ValueError:
        return text
