# SPDX-License-Identifier: Apache-2.0
"""What tests/golden/model_rules.json tells of a bundle: lies that readers refuse, truths that they take."""

import json
from pathlib import Path
from typing import Any

from tests.golden import load_json

RULES = load_json("model_rules")
LIES = {lie["lie"]: lie for lie in RULES["lies"]}
TRUTHS = {truth["truth"]: truth for truth in RULES["truths"]}
_PLACE = "the raw text stands here"


def tell(bundle: Path, said: dict[str, Any]) -> Path:
    """Change the model.json of a bundle as a lie or a truth says; the bundle again."""
    file = bundle / "model.json"
    file.write_text(_text(json.loads(file.read_text(encoding="utf-8")), said), encoding="utf-8")
    return bundle


def _text(content: Any, said: dict[str, Any]) -> str:  # noqa: ANN401  # JSON
    if "text" in said:
        return str(said["text"])
    if "at" not in said:
        return json.dumps(content)
    *path, last = said["at"]
    place = _follow(content, path)
    raw = said.get("raw", "[" * said.get("nest", 0) + "]" * said.get("nest", 0))
    if "gone" in said:
        place.pop(last, None) if isinstance(place, dict) else place.pop(last)
    else:
        value = _follow(content, said["copy"]) if "copy" in said else said.get("to", _PLACE)
        if isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return json.dumps(content).replace(f'"{_PLACE}"', raw)


def _follow(content: Any, path: list[Any]) -> Any:  # noqa: ANN401  # JSON
    for key in path:
        content = content[key]
    return content
