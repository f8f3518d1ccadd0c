# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest that breaks one module as it is imported: `-p tests.faults.mutate`, FMMP_MUTANT=NAME.

No file is changed, and nothing but the process that is asked to.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

from tests.faults.breaks import MUTANTS, Mutant


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        text = self.get_data(self.path).decode()
        return self.source_to_code(self._mutant.of(text).encode(), self.path)


class _Finder:
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._searching = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._mutant.module or self._searching:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._searching = False
        if spec is None or spec.origin is None:
            return None
        loader = _Loader(name, spec.origin, self._mutant)
        return importlib.util.spec_from_file_location(name, spec.origin, loader=loader)


if "FMMP_MUTANT" in os.environ:
    sys.meta_path.insert(0, _Finder(MUTANTS[os.environ["FMMP_MUTANT"]]))
