# SPDX-License-Identifier: Apache-2.0
"""A labelling project in a folder: `project.json`, and `pictures/` named by what is in them.

A page names a picture by its SHA-256 alone; no name or path that comes from it is ever opened.
"""

import hashlib
import json
import re
import threading
from pathlib import Path
from typing import Any

from fmmp_runtime.files import write_atomically
from fmmp_runtime.settings import parse

PROJECT_FILE = "project.json"
PICTURES = "pictures"
MOST_PICTURE_BYTES = 100 * 2**20
MOST_PROJECT_BYTES = 256 * 2**20
_KEY = re.compile(r"[0-9a-f]{64}")
_EMPTY = {"version": 1, "name": "Untitled", "categories": [], "pictures": [], "annotations": []}


class RevisionError(ValueError):
    """Somebody else has saved since."""


class ProjectFolder:
    """Reads and writes a project; a kill at any moment leaves the old or the new one."""

    def __init__(self, folder: Path) -> None:
        """Open or begin a project.

        Raises:
            OSError: the folder cannot be made.
            ValueError: it holds a project.json that is none.
        """
        self.folder = folder
        self._lock = threading.Lock()
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        self.load()

    def load(self) -> dict[str, Any]:
        """The project and its revision, as {"project": ..., "revision": ...}.

        Raises:
            ValueError: the file is damaged.
        """
        file = self.folder / PROJECT_FILE
        if not file.exists():
            return {"project": _EMPTY, "revision": 0}
        try:
            content = parse(file.read_bytes())
            return {"project": content["project"], "revision": int(content["revision"])}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{file} is no project of fmmp-studio, or damaged: move it away ({error})"
            ) from error

    def save(self, project: bytes, revision: int) -> int:
        """Write a project over the revision that the page has seen; returns the new one.

        Raises:
            RevisionError: another page has saved since.
            ValueError: not a project, or too large.
            OSError: it cannot be written.
        """
        if len(project) > MOST_PROJECT_BYTES:
            raise ValueError(
                f"the project has {len(project) >> 20} MB, at most {MOST_PROJECT_BYTES >> 20} can be saved"
            )
        content = parse(project)
        if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
            raise ValueError("this is no project of fmmp-studio")
        with self._lock:
            there = self.load()
            found = there["revision"]
            if found == revision + 1 and there["project"] == content:
                return int(found)  # it was saved, but the answer got lost on its way
            if found != revision:
                raise RevisionError(
                    f"this project was saved from another page (revision {found}, this page has {revision}): "
                    "reload to go on there, or export your work first"
                )
            text = json.dumps({"revision": revision + 1, "project": content}, indent=1)
            write_atomically(self.folder / PROJECT_FILE, text.encode())
        return revision + 1

    def picture(self, key: str) -> Path:
        """Where the picture with this SHA-256 is.

        Raises:
            ValueError: not a SHA-256.
            FileNotFoundError: there is none.
        """
        path = self._path(key)
        if not path.is_file():
            raise FileNotFoundError(f"this project has no picture {key[:12]}: add it again")
        return path

    def put_picture(self, key: str, data: bytes) -> None:
        """Keep a picture.

        Raises:
            ValueError: too large, or not what its SHA-256 says.
            OSError: it cannot be written.
        """
        path = self._path(key)
        if len(data) > MOST_PICTURE_BYTES:
            raise ValueError(
                f"the picture has {len(data) >> 20} MB, at most {MOST_PICTURE_BYTES >> 20} are taken"
            )
        if hashlib.sha256(data).hexdigest() != key:
            raise ValueError("the picture did not arrive whole: add it again")
        if not path.exists():
            write_atomically(path, data)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("a picture is named by its SHA-256")
        return self.folder / PICTURES / key
