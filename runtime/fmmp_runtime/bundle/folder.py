# SPDX-License-Identifier: Apache-2.0
"""A bundle on disk, whose files are what its model.json says."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fmmp_runtime import settings
from fmmp_runtime.bundle import engines, rules, signature
from fmmp_runtime.bundle.engines import EngineKey, EngineSpec
from fmmp_runtime.bundle.specs import FORMAT, MODEL_FILE, REFERENCE_FILE, BundleError, Model
from fmmp_runtime.files import sha256

MAX_MODEL_BYTES = 16 << 20  # of model.json; ours have some kilobytes
MAX_MESSAGE = 400  # characters of what is wrong with it


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle on disk, whose files are what its model.json says."""

    path: Path
    model: Model

    @classmethod
    def open(cls, path: Path | str, verify: Path | str | None = None) -> "Bundle":
        """Read model.json and compare the hash of every file that it names.

        Args:
            path: the folder.
            verify: file of the public key whose owner must have signed it (`signature`); None: anybody.

        Raises:
            OSError: no such folder, or not readable.
            BundleError: says which file or key is wrong, and what to do.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no bundle at {folder}: expected a folder with {MODEL_FILE} (fmmp-export writes one)"
            )
        content = read_bytes(folder / MODEL_FILE)
        if verify is not None:
            signature.check(content, folder, Path(verify))
        model = parse_model(content, folder / MODEL_FILE)
        for name, expected in model.files.items():
            _compare(sha256(_there(folder / name)), expected, folder / name)
        return cls(path=folder, model=model)

    def read(self, name: str) -> bytes:
        """Content of a file, which is what it was when the bundle was exported, whatever became of it since.

        Raises:
            OSError: it cannot be read.
            BundleError: it is missing or has changed.
        """
        file = _there(self.path / name)
        content = file.read_bytes()
        _compare(hashlib.sha256(content).hexdigest(), self.model.files[name], file)
        return content

    def graph(self, name: str) -> Path:
        """Path of the ONNX file of a graph, such as "query"."""
        return self.path / self.model.graphs[name].file

    def engine(self, key: EngineKey) -> tuple[EngineSpec, bytes]:
        """The engine for `key` and its content, which is checked now: nothing else needs it to be whole.

        Raises:
            EngineError: none fits, and why; or it is damaged.
        """
        spec = engines.pick(self.path, self.model.engines, key, self.built_from(key.graph))
        return spec, engines.read(self.path, spec)

    def built_from(self, graph: str) -> dict[str, str]:
        """Files that the engine of a graph comes from, and their SHA-256."""
        others = {spec.file for name, spec in self.model.graphs.items() if name != graph} | {REFERENCE_FILE}
        return {file: digest for file, digest in self.model.files.items() if file not in others}


def read_bytes(file: Path) -> bytes:
    """Read a model.json.

    Raises:
        OSError: not readable.
        BundleError: it is not there, or far too large.
    """
    if not file.is_file():
        raise BundleError(f"{file.parent} is not a bundle: it has no {MODEL_FILE} (fmmp-export writes one)")
    if file.stat().st_size > MAX_MODEL_BYTES:
        raise BundleError(f"{file} is larger than {MAX_MODEL_BYTES >> 20} MiB: export the bundle again")
    return file.read_bytes()


def parse_model(data: bytes, file: Path) -> Model:
    """What a model.json says; `file` is for messages.

    Raises:
        BundleError: says which key is wrong, and what to do.
    """
    try:
        content = settings.parse(data.decode())
    except ValueError as error:
        raise BundleError(
            f"{file} is not JSON, so the bundle is broken: export it again ({error})"
        ) from error
    if not isinstance(content, dict):
        raise BundleError(f"{file} must hold a JSON object, got {type(content).__name__}")
    _check_format(file, content.get("format"))
    try:
        model = settings.build(Model, content)
        rules.check(model)
    except ValueError as error:
        raise BundleError(f"{file}: {_one_line(str(error))}") from error
    return model


def _check_format(file: Path, found: object) -> None:
    known = f"{file} has bundle format {repr(found)[:20]}, this fmmp reads {FORMAT}"
    if type(found) is int and found > FORMAT:
        raise BundleError(f"{known}: it was made by a newer fmmp: update fmmp")
    if type(found) is not int or found != FORMAT:
        raise BundleError(f"{known}: export the checkpoint again")


def _one_line(message: str) -> str:
    """Without what a stranger's names may bring into a terminal."""
    shown = message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} …"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in shown)


def _there(file: Path) -> Path:
    if not file.is_file():
        raise BundleError(f"{file} is missing: copy the whole folder, or export it again")
    return file


def _compare(found: str, expected: str, file: Path) -> None:
    """Refuse a file that has another SHA-256 than it had."""
    if found != expected:
        raise BundleError(
            f"{file} has changed since its export (SHA-256 {found[:12]}, expected {expected[:12]}): "
            "copy or export the bundle again"
        )
