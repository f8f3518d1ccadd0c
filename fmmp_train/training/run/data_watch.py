# SPDX-License-Identifier: Apache-2.0
"""Does a run still learn from the files that it was started on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fmmp_runtime.files import sha256
from fmmp_train.data import DataError, split_file
from fmmp_train.data.examples.dataset import Mixture
from fmmp_train.data.examples.photographs import find_photographs
from fmmp_train.data.examples.self_pairs import SelfPairSource
from fmmp_train.data.examples.sources import AnnotatedSource
from fmmp_train.evaluation.fingerprint import State, changed, hash_sizes, images_of, look_up
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.training.inputs import Locations


class DataWatch:
    """The files of a run, as they were when this was made.

    Args:
        mixture: what it learns from.
        pairs: what it is judged on.
        locations: where these were read.

    Raises:
        DataError: images are missing; names some.
        OSError: a file is unreadable.
    """

    def __init__(self, mixture: Mixture, pairs: Sequence[Pair], locations: Locations) -> None:
        self.fingerprint: dict[str, str] = {}  # what it is -> hash
        self._seen: dict[Path, State] = {}
        for source in mixture.sources:
            if isinstance(source, AnnotatedSource):
                file = source.dataset.source
                self.fingerprint["annotations to learn from"] = sha256(file)
                self._seen |= look_up((instance.image for instance in source.dataset.instances), file)
            elif isinstance(source, SelfPairSource):
                photographs = find_photographs([Path(folder) for folder in locations.photos])
                self.fingerprint["photographs"] = hash_sizes(look_up(photographs, photographs[0].parent))
        if pairs and locations.data is not None:
            file = split_file(Path(locations.data), locations.val_split or "val")
            self.fingerprint["annotations to validate on"] = sha256(file)
            self._seen |= look_up((path for pair in pairs for path in images_of(pair)), file)
        self.fingerprint["images"] = hash_sizes(self._seen)

    def compare(self, before: Mapping[str, str]) -> None:
        """Refuse data other than that of which `before` is the fingerprint.

        Raises:
            DataError: says what differs.
        """
        differing = [what for what, value in self.fingerprint.items() if before.get(what) != value]
        if differing:
            raise DataError(
                f"the data changed since the run was started ({', '.join(differing)}): put it back, say "
                "where it is (--data, --photos), or go on with what is there (--changed-data)"
            )

    def check(self) -> None:
        """Refuse images that changed since this was made; all else is read once, before the first step.

        Raises:
            DataError: names the first one.
        """
        for path in changed(self._seen):
            raise DataError(
                f"{path} changed under the run: put it back; --resume goes on from the state last saved"
            )
