# SPDX-License-Identifier: Apache-2.0
"""A remembered category, in memory and in a file, so that a device need never see the support image.

The file is a safetensors file: the support state's tensors by name, and these texts about them:
    fmmp_state  version of this format
    bundle      `Model.state_key` of the bundle that made it
    tensors     SHA-256 of the tensors' bytes, in the order of the query graph's inputs
    links, known, shots, notes  the fields of `SupportState`, as JSON
Since version 2 there may also be what the search looks for, whose tensors are named `search_...`:
    sought      SHA-256 of the template graph and of these tensors, as JSON
    outline, box_size  the fields of `Sought`, as JSON
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fmmp_runtime import settings
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import TensorSpec
from fmmp_runtime.files import write_atomically
from fmmp_runtime.pose import check_links

VERSION = 2
SOUGHT = "search_"  # how names of tensors of `Sought` begin
READABLE = ("1", "2")  # 1: of a bundle that can't search
AGAIN = "remember the support again with this bundle (fmmp-run --save-state)"


class StateError(ValueError):
    """A file that is no whole support state, or one of another bundle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sought:
    """What a search looks for; lengths are in longer sides of the support's box."""

    tensors: dict[str, NDArray[Any]]  # inputs of the search graph
    outline: NDArray[np.float64]  # (K_c, 2) keypoints, x and y from the middle of the box
    box_size: NDArray[np.float64]  # (2,) width and height of the box


@dataclass(frozen=True, kw_only=True, eq=False)
class SupportState:
    """A remembered category; goes into `PoseEstimator.locate`."""

    tensors: dict[str, NDArray[Any]]  # inputs of the query graph; nobody writes into them
    links: NDArray[np.int64]  # (E, 2)
    known: NDArray[np.bool_]  # (K_c,) shown by some support, or by every one, as the bundle says
    shots: int
    notes: tuple[str, ...]  # what was assumed, for people
    bundle: Bundle  # whose graphs made the tensors
    sought: Sought | None = None  # None: it was saved by a bundle that can't search

    def save(self, path: Path | str) -> None:
        """Write it to a file, which is complete or not there.

        Raises:
            OSError: it cannot be written.
        """
        names = [tensor.name for tensor in self.bundle.model.state_tensors]
        tensors = {name: np.ascontiguousarray(self.tensors[name]) for name in names}
        texts = {
            "fmmp_state": str(VERSION if self.sought else 1),
            "bundle": self.bundle.model.state_key,
            "links": json.dumps(self.links.tolist()),
            "known": json.dumps(self.known.tolist()),
            "shots": str(self.shots),
            "notes": json.dumps(self.notes),
            "tensors": _digest(tensors.values()),
        }
        if self.sought is not None:
            search = {name: np.ascontiguousarray(tensor) for name, tensor in self.sought.tensors.items()}
            texts |= {
                "sought": json.dumps([self.bundle.model.template_key, _digest(search.values())]),
                "outline": json.dumps(self.sought.outline.tolist()),
                "box_size": json.dumps(self.sought.box_size.tolist()),
            }
            tensors |= search
        write_atomically(Path(path), save(tensors, texts))

    @classmethod
    def load(cls, path: Path | str, bundle: Bundle) -> "SupportState":
        """Read a file that `save` wrote.

        Args:
            path: the file.
            bundle: that it was made with, or a copy of it.

        Raises:
            OSError: there is no such file, or it cannot be read.
            StateError: cut off, changed, of a newer version, of another bundle, or something else.
        """
        file = Path(path)
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise StateError(f"{file} is no regular file: copy the state into one")
        with file.open("rb") as opened:  # for the usual error if it cannot be read
            if not opened.read(1):
                raise StateError(f"{file} is empty (0 bytes): copy it again")
        try:
            with safe_open(file, framework="numpy") as content:
                texts: Mapping[str, str] = content.metadata() or {}
                _check_origin(file, texts, bundle)
                tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118  # no dict
        except (SafetensorError, AttributeError, TypeError) as error:  # the latter: types that numpy has not
            raise StateError(f"{file} is cut off, or no support state: copy it again ({error})") from error
        sought = {name: tensors.pop(name) for name in list(tensors) if name.startswith(SOUGHT)}
        _check_tensors(file, tensors, texts, bundle)
        known, links, notes = (_json(file, texts, key) for key in ("known", "links", "notes"))
        shots = _json(file, texts, "shots")
        if type(shots) is not int or not 1 <= shots <= bundle.model.shots:
            raise _broken(file, "shots")
        if not isinstance(notes, list) or not all(type(note) is str for note in notes):
            raise _broken(file, "notes")
        if not isinstance(known, list) or not all(type(flag) is bool for flag in known):
            raise _broken(file, "known")
        if not 1 <= len(known) <= bundle.model.keypoints:
            raise _broken(file, "known")
        try:
            checked = check_links(links, len(known), once=False)
        except ValueError as error:
            raise _broken(file, "links") from error
        return cls(
            tensors=tensors,
            links=checked,
            known=np.array(known, np.bool_),
            shots=shots,
            notes=tuple(notes),
            bundle=bundle,
            sought=_read_sought(file, sought, texts, bundle, len(known)),
        )


def _read_sought(
    file: Path, tensors: dict[str, NDArray[Any]], texts: Mapping[str, str], bundle: Bundle, count: int
) -> Sought | None:
    """What the search looks for; None where the file or the bundle has nothing of it."""
    if not tensors or bundle.model.search is None:
        return None
    _check_shapes(file, tensors, bundle.model.search_tensors)
    ordered = [tensors[spec.name] for spec in bundle.model.search_tensors]
    if _json(file, texts, "sought") != [bundle.model.template_key, _digest(ordered)]:
        raise StateError(f"{file} has changed since it was written: copy it again, or {AGAIN}")
    outline, size = (np.asarray(_json(file, texts, key), np.float64) for key in ("outline", "box_size"))
    if outline.shape != (count, 2) or size.shape != (2,) or not np.isfinite([*outline.flat, *size]).all():
        raise _broken(file, "outline")
    return Sought(tensors=tensors, outline=outline, box_size=size)


def _check_origin(file: Path, texts: Mapping[str, str], bundle: Bundle) -> None:
    version = texts.get("fmmp_state")
    if version is None:
        raise StateError(f"{file} is a safetensors file, but no support state: {AGAIN}")
    if version not in READABLE:
        newer = re.fullmatch(r"[1-9][0-9]{0,8}", version) and int(version) > VERSION
        mend = "it was made by a newer fmmp: update fmmp" if newer else AGAIN
        raise StateError(
            f"{file} has version {version[:20]!r}, this fmmp reads {' and '.join(READABLE)}: {mend}"
        )
    found, expected = texts.get("bundle", ""), bundle.model.state_key
    if found != expected:
        raise StateError(
            f"{file} was made with another bundle ({found[:12]}) than {bundle.path} "
            f"({expected[:12]}): {AGAIN}"
        )


def _check_tensors(
    file: Path, tensors: Mapping[str, NDArray[Any]], texts: Mapping[str, str], bundle: Bundle
) -> None:
    specs = bundle.model.state_tensors
    _check_shapes(file, tensors, specs)
    if _digest(tensors[spec.name] for spec in specs) != texts.get("tensors"):
        raise StateError(f"{file} has changed since it was written: copy it again, or {AGAIN}")


def _check_shapes(file: Path, tensors: Mapping[str, NDArray[Any]], specs: Sequence[TensorSpec]) -> None:
    found = {name: (tensor.dtype.name, list(tensor.shape)) for name, tensor in tensors.items()}
    expected = {spec.name: (spec.dtype, spec.shape) for spec in specs}
    for name in {**expected, **found}:
        if found.get(name) != expected.get(name):
            raise StateError(
                f"{file} has {name} as {found.get(name)}, expected {expected.get(name)}: copy it again"
            )


def _digest(tensors: Any) -> str:  # noqa: ANN401  # Iterable of contiguous arrays
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(memoryview(tensor).cast("B"))
    return digest.hexdigest()


def _json(file: Path, texts: Mapping[str, str], key: str) -> Any:  # noqa: ANN401  # JSON
    try:
        return settings.parse(texts[key])
    except (KeyError, ValueError) as error:
        raise _broken(file, key) from error


def _broken(file: Path, key: str) -> StateError:
    return StateError(f"{file} has no usable {key!r}: copy it again, or {AGAIN}")
