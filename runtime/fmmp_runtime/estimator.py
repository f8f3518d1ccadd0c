# SPDX-License-Identifier: Apache-2.0
"""Locate the keypoints of any category: remember examples once, then look at any number of frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime import backends, find
from fmmp_runtime.backends import BackendError, Query
from fmmp_runtime.batch import are_boxes, are_frames, broadcast, split
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import BundleError, SearchSpec
from fmmp_runtime.find import Place
from fmmp_runtime.media.image import Image, check_image, warp
from fmmp_runtime.pose import (
    KeypointError,
    LinkError,
    as_numbers,
    box_around,
    check_box,
    check_links,
    check_support,
    crop_keypoints,
    crop_matrix,
    invert_matrix,
    minimum_spanning_tree,
    support_inputs,
    transform_points,
    whole_box,
    widen_box,
)
from fmmp_runtime.pose.answer import PRESENT_FROM, Pose
from fmmp_runtime.shots import known_of, repeats_of
from fmmp_runtime.support_state import Sought, StateError, SupportState

__all__ = ["Pose", "PoseEstimator", "Support", "SupportState"]

LOOKS, SPARE = 6, 4  # places that are looked at: at least so many, and so many more than objects are wanted


@dataclass(frozen=True, eq=False)
class Support:
    """One annotated example of a category."""

    image: Image  # (H, W, 3) RGB uint8
    keypoints: ArrayLike  # (K_c, 2) x, y in pixels
    links: ArrayLike | None = None  # (E, 2) keypoint indices; None: the shortest tree over the keypoints
    visible: ArrayLike | None = None  # (K_c,) bool; None: all
    box: ArrayLike | None = None  # x, y, width, height of the object in pixels; None: around the keypoints


class PoseEstimator:
    """A bundle, ready to run. Knows of the network only what the bundle's model.json says.

    Any number of threads may use one estimator at once; none of its methods keeps anything of a frame.
    After an error it works on as before.
    """

    def __init__(
        self,
        bundle: Path | str,
        backend: str = "auto",
        threads: int | None = None,
        verify: Path | str | None = None,
    ) -> None:
        """Open a bundle.

        Args:
            bundle: the folder that fmmp-export wrote.
            backend: "auto", or one of `fmmp_runtime.backends.NAMES`.
            threads: of a run; None takes one a physical core.
            verify: file of the public key of whoever must have signed the bundle (`fmmp-export --sign`);
                None takes anybody's. Needs the extra [sign].

        Raises:
            OSError: there is no such bundle.
            BundleError: it is incomplete, changed, of another format, or not signed with that key.
            BackendError: it cannot run here.
        """
        self.bundle = Bundle.open(bundle, verify)
        self.model = self.bundle.model
        self.backend = backends.create(backend, self.bundle, threads)
        self.backend.load("query")

    def remember(self, supports: Sequence[Support], *, strict: bool = True) -> SupportState:
        """Learn a category from its annotated examples; runs the support graph once.

        With fewer supports than the bundle's shots the free places are filled with blank examples that show
        no keypoint. They have no weight in the network's means over the shots, their hidden keypoints lie at
        the mean of the real ones, and they stand in front because the structure is read off the last shot:
        the result is that of a bundle made for fewer shots. So it is where a keypoint must be shown by every
        support, for which a blank one would hide all: there the supports are repeated, equally often.

        Args:
            supports: 1 to S of one category; all have the same keypoints.
            strict: refuse a visible keypoint outside its image and a link that is there twice. A few
                annotations of MP-100 have such faults; published numbers were made with them as they are.

        Raises:
            ValueError: no support or too many, or an annotation, box or image that cannot be used.
        """
        if not isinstance(supports, Sequence) or not all(isinstance(each, Support) for each in supports):
            raise ValueError(f"remember takes a list of Support, got {type(supports).__name__}")
        repeats = repeats_of(len(supports), self.model)
        widened: list[str] = []
        checked = [self._check(each, number, strict, widened) for number, each in enumerate(supports)]
        counts = [len(visible) for _, visible, _ in checked]
        if len(set(counts)) > 1:
            raise KeypointError(f"all supports must have the same keypoints, got {counts} of them")
        links, notes = _skeleton(supports, [(points, visible) for points, visible, _ in checked], strict)
        known = known_of([visible for _, visible, _ in checked], self.model.shown_by, strict, notes)

        size, blanks = self.model.image_size, self.model.shots - repeats * len(supports)
        matrices = [self._crop_matrix(box) for _, _, box in checked]
        crops = [np.zeros((size, size, 3), np.uint8)] * blanks
        warped = [warp(each.image, matrix, size) for each, matrix in zip(supports, matrices, strict=True)]
        crops += warped * repeats
        shown = [(np.zeros((counts[0], 2)), np.zeros(counts[0], np.bool_))] * blanks
        placed = [
            (crop_keypoints(points, visible, matrix, size), visible)
            for (points, visible, _), matrix in zip(checked, matrices, strict=True)
        ]
        shown += placed * repeats
        annotation = support_inputs(shown, links, self.model.inputs)
        annotation["keypoints"][:blanks] = annotation["keypoints"][blanks:].mean(0)
        tensors = {name: each[None] for name, each in {"support": np.stack(crops), **annotation}.items()}
        return SupportState(
            tensors=self.backend.run("support", tensors),
            links=links,
            known=known,
            shots=len(supports),
            notes=(*widened, *notes),
            bundle=self.bundle,
            sought=self._sought(tensors, shown[blanks:], [box for _, _, box in checked]),
        )

    def _sought(
        self,
        tensors: dict[str, NDArray[Any]],
        unpadded: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]],
        boxes: Sequence[NDArray[np.float64]],
    ) -> Sought | None:
        """What a search looks for, from the support graph's inputs; keypoints are in [0, 1] of the crops."""
        if self.model.search is None:
            return None
        names = [tensor.name for tensor in self.model.graphs["template"].inputs]
        points = np.stack([points for points, _ in unpadded])
        weight = np.stack([visible for _, visible in unpadded])[..., None].astype(np.float64)
        mean = (points * weight).sum(0) / np.maximum(weight.sum(0), 1)
        outline = np.where(weight.sum(0) > 0, (mean - 0.5) * self.model.crop_padding, 0)
        return Sought(
            tensors=self.backend.run("template", {name: tensors[name] for name in names}),
            outline=outline,
            box_size=np.mean([box[2:] / box[2:].max() for box in boxes], axis=0),
        )

    def load_state(self, path: Path | str) -> SupportState:
        """Read a category that `SupportState.save` wrote, instead of remembering it.

        Raises:
            OSError: there is no such file, or it cannot be read.
            StateError: it is cut off, changed, of a newer version, or of another bundle.
        """
        return SupportState.load(path, self.bundle)

    @overload
    def locate(
        self, frame: Image, state: SupportState, box: Sequence[Sequence[float] | NDArray[Any] | None]
    ) -> list[Pose]: ...
    @overload
    def locate(  # type: ignore[overload-overlap]  # an ndarray may be one box or many: it counts as one here
        self, frame: Image, state: SupportState, box: ArrayLike | None = None
    ) -> Pose: ...
    @overload
    def locate(
        self,
        frame: Image | Sequence[Image],
        state: SupportState | Sequence[SupportState],
        box: ArrayLike | Sequence[ArrayLike | None] | None = None,
    ) -> list[Pose]: ...
    def locate(self, frame: Any, state: Any, box: Any = None) -> Any:
        """Find the remembered category's keypoints in a frame, or in each of many.

        Each argument may be a list; lists given together have the same length and go together item by item,
        and what is no list holds for every item. So one frame with a list of boxes is many objects in it, and
        one frame with a list of states is many categories. They run in as few runs as the bundle's graphs
        allow, and the answers are those of one by one.

        Args:
            frame: (H, W, 3) RGB uint8; a list of frames of any sizes, or an (N, H, W, 3) array.
            state: from `remember` or `load_state`; a list of states.
            box: x, y, width, height of the object in pixels; None: the whole frame; a list of boxes, or an
                (N, 4) array.

        Returns:
            A Pose, or a list of them if an argument is a list.

        Raises:
            ValueError: a frame, box or state cannot be used; says which and why. Nothing was run then.
        """
        items = broadcast(
            frames=(frame, are_frames(frame)),
            states=(state, isinstance(state, list | tuple)),
            boxes=(box, are_boxes(box)),
        )
        if items is None:
            query, clipped = self._query(frame, state, box)
            return self._run([query], [clipped])[0]
        queries, boxes = [], []
        for number, item in enumerate(items):
            try:
                query, clipped = self._query(*item)
            except ValueError as error:
                raise type(error)(f"item {number}: {error}") from error
            queries.append(query)
            boxes.append(clipped)
        poses: list[Pose] = []
        for piece in split(queries, self.model.batches):
            poses += self._run(piece, boxes[len(poses) : len(poses) + len(piece)])
        return poses

    def find(
        self, frame: Image, state: SupportState, most: int = 1, presence: float = PRESENT_FROM
    ) -> list[Pose]:
        """Find objects of the remembered category anywhere in a frame, best first.

        The search graph says where they may be, the query graph looks at the best of these places, once more
        where the first look puts the box, and says how probable it is that the object is there.

        Args:
            frame: (H, W, 3) RGB uint8.
            state: from `remember` or `load_state`.
            most: the most objects that are wanted.
            presence: the least probability; without a calibration only its order has meaning, and what fits
                best is given whatever it is.

        Returns:
            Poses with `box`, that of the object as far as it is in the frame, and `presence`; may be empty.

        Raises:
            ValueError: frame or state cannot be used, `most` is below 1, or bundle or state can't search.
        """
        search, sought = self._check_search(state, most)
        size_hw = _size(check_image(frame, "frame"))
        side = self.model.graphs["search"].shape("frame")[1]
        canvas, extent = find.lay(frame, side)
        fits = self.backend.run("search", {"frame": canvas, "extent": extent, **sought.tensors})
        names = [tensor.name for tensor in self.model.graphs["search"].outputs]
        first = find.places([fits[name] for name in names], search, size_hw, max(LOOKS, most + SPARE))
        seen = find.best(self._look(frame, state, sought, first), search, most)
        again = self._look(frame, state, sought, [place for place, _ in seen])
        limit = presence if search.calibrated else 0.0
        return [
            replace(pose, box=find.clip(pose.box, size_hw))
            for _, pose in find.best(again, search, most)
            if pose.presence >= limit
        ]

    def _check_search(self, state: SupportState, most: int) -> tuple[SearchSpec, Sought]:
        self._check_state(state)
        if most < 1:
            raise ValueError(f"most must be at least 1, got {most}")
        if self.model.search is None:
            raise BundleError(
                f"{self.bundle.path} has no search graph, so it can't find: export it again, or give a box"
            )
        if state.sought is None:
            raise StateError("this support was remembered without a search: remember it again, or give a box")
        return self.model.search, state.sought

    def _look(
        self, frame: Image, state: SupportState, sought: Sought, places: Sequence[Place]
    ) -> list[tuple[Place, Pose]]:
        """What is at each place: where it should have been looked at, and the pose with that box."""
        queries = [
            Query(
                frame=frame,
                matrix=place.matrix(self.model.image_size, self.model.crop_padding),
                state=state,
            )
            for place in places
        ]
        poses: list[Pose] = []
        for piece in split(queries, self.model.batches):
            poses += self._run(
                piece, [place.square for place in places[len(poses) : len(poses) + len(piece)]]
            )
        refits = [
            find.refit(place, pose.keypoints, pose.score, sought)
            for place, pose in zip(places, poses, strict=True)
        ]
        return [(at, replace(pose, box=box)) for (at, box), pose in zip(refits, poses, strict=True)]

    def _check_state(self, state: object) -> None:
        if not isinstance(state, SupportState):
            raise ValueError(f"state must be a SupportState, from remember(...), got {type(state).__name__}")
        if state.bundle.model.state_key != self.model.state_key:
            raise ValueError(
                f"this support was remembered with {state.bundle.path}, not with {self.bundle.path}"
            )

    def _query(
        self, frame: Image, state: SupportState, box: ArrayLike | None
    ) -> tuple[Query, NDArray[np.float64]]:
        """One frame, state and box, checked; and the box, clipped."""
        self._check_state(state)
        size_hw = _size(check_image(frame, "frame"))
        clipped = check_box(whole_box(size_hw) if box is None else box, size_hw)
        return Query(frame=frame, matrix=self._crop_matrix(clipped), state=state), clipped

    def _run(self, queries: Sequence[Query], boxes: Sequence[NDArray[np.float64]]) -> list[Pose]:
        """Run one graph; there is one for so many queries."""
        answers = self.backend.locate(queries)
        presence = np.full(len(queries), np.nan) if answers.presence is None else answers.presence
        if not all(np.isfinite(each).all() for each in answers if each is not None):
            raise BackendError(
                f"{self.bundle.path} gave numbers that are not finite ({self.model.precision})"
            )
        last = answers.points[-1].astype(np.float64) * self.model.image_size  # of the last layer, pixels
        return [
            replace(_pose(query, box, points, score), presence=float(there))
            for query, box, points, score, there in zip(
                queries, boxes, last, answers.score, presence, strict=True
            )
        ]

    def _check(
        self, support: Support, number: int, strict: bool, notes: list[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        """Keypoints, visibility and box of one support, checked; `notes` gets what was changed."""
        try:
            size_hw = _size(check_image(support.image))
            keypoints = as_numbers(support.keypoints, KeypointError, "keypoints")
            visible = np.ones(keypoints.shape[:1], np.bool_) if support.visible is None else support.visible
            inside = size_hw if strict else None
            points, shown = check_support(
                keypoints, visible, inside, self.model.keypoints, fixed=self.model.fixed_keypoints
            )
            box = box_around(points[shown], size_hw) if support.box is None else support.box
            clipped = check_box(box, size_hw)
            if strict and support.box is not None:
                wide, said = widen_box(support.box, points[shown], size_hw)
                notes += [f"support {number}: {note}" for note in said]
                clipped = check_box(wide, size_hw)
            return points, shown, clipped
        except ValueError as error:
            raise type(error)(f"support {number}: {error}") from error

    def _crop_matrix(self, box: NDArray[np.float64]) -> NDArray[np.float64]:
        return crop_matrix(box, self.model.image_size, self.model.crop_padding)


def _pose(query: Query, box: NDArray[np.float64], points: NDArray[np.float64], score: NDArray[Any]) -> Pose:
    """From points (K, 2) in crop pixels and scores (K,) to what the user asked for."""
    state = query.state
    count = len(state.known)
    return Pose(
        keypoints=transform_points(points[:count], invert_matrix(query.matrix)),
        score=np.where(state.known, score[:count], 0).astype(np.float64),
        links=state.links,
        known=state.known,
        box=box,
    )


def _skeleton(
    supports: Sequence[Support],
    checked: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]],
    strict: bool,
) -> tuple[NDArray[np.int64], list[str]]:
    """The links of all supports: the given ones, else a tree over the support that shows most keypoints."""
    count = len(checked[0][0])
    given = [check_links(s.links, count, once=strict) for s in supports if s.links is not None]
    if any(links.tolist() != given[0].tolist() for links in given):
        raise LinkError("the supports have different links: a category has one skeleton")
    if given:
        return given[0], []
    points, visible = max(checked, key=lambda support: int(support[1].sum()))
    tree = minimum_spanning_tree(points, visible)
    return tree, [f"no links given: joined the keypoints by the shortest tree, {tree.tolist()}"]


def _size(image: Image) -> tuple[int, int]:
    return image.shape[0], image.shape[1]
