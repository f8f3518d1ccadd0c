# SPDX-License-Identifier: Apache-2.0
"""The work of `fmmp-run`: read, remember, locate, write."""

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.annotation.reader import Annotation, read_annotation
from fmmp_runtime.annotation.shots import match_names
from fmmp_runtime.cli.command import say
from fmmp_runtime.estimator import Pose, PoseEstimator, Support, SupportState
from fmmp_runtime.files import write_atomically, write_json
from fmmp_runtime.media import UNSURE
from fmmp_runtime.media.draw import draw_pose, score_legend
from fmmp_runtime.media.image import MOST_PIXELS, Image, read_image, write_image
from fmmp_runtime.media.labels import draw_note, labels_of
from fmmp_runtime.media.sheet import draw_sheet, pose_panel
from fmmp_runtime.media.video import CAMERA, StoppedEarlyError, VideoReader, VideoWriter, is_video
from fmmp_runtime.pose.answer import PRESENT_FROM
from fmmp_runtime.settings import parse

MOST_ON_SHEET = 24  # pictures; further queries have their own files only

Example = tuple[Path, Image, Annotation]  # of a support
# Keypoints, which of them, links and scores, as `draw_pose` takes them; and the box.
Drawn = tuple[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any] | None], ArrayLike | None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the command line asks for."""

    bundle: Path
    supports: list[Path]  # none: `state` is there
    annotations: list[str]  # one a support
    queries: list[str]
    folder: Path | None  # None: there are no queries
    links_from: int | None = None  # number of the first keypoint in the annotations; None: as they say
    most_pixels: int = MOST_PIXELS  # of a picture
    overwrite: bool = False  # results of other queries there
    state: Path | None = None  # file of a support state
    save_state: Path | None = None  # file to write it to
    box: tuple[float, ...] | str = "find"  # or "whole"; or x, y, width, height in every query, pixels
    most: int = 1  # objects to find in a query
    presence: float = PRESENT_FROM  # how probable a found one must be
    frames: int | None = None  # of a video or camera, at most
    backend: str = "auto"
    threads: int | None = None  # of a run; None: all cores
    verify: Path | None = None  # public key that the bundle must be signed with
    json: Path | None = None  # file for a line a query; "-": stdout
    names: bool = False  # write names or numbers beside the keypoints
    threshold: float = UNSURE  # a score below it is drawn hollow


def run(job: Job) -> list[str]:
    """Do the job; one message for each query that failed, after all others are done.

    Raises:
        OSError, ValueError: nothing could be done: bundle, support, annotation or folder are at fault.
    """
    if job.folder is not None:
        _make_folder(job.folder)
    estimator = PoseEstimator(job.bundle, job.backend, job.threads, job.verify)
    examples: list[Example] = []
    if job.state is not None:
        state = estimator.load_state(job.state)
    else:
        state, examples = _remember(job, estimator)
    _tell(estimator.backend.description)  # not before an error of what the user gave
    for note in dict.fromkeys(
        note for notes in (*(e[2].notes for e in examples), state.notes) for note in notes
    ):
        _tell(note)
    if job.save_state is not None:
        state.save(job.save_state)
        _tell(f"{job.save_state}: the support, for {job.bundle}")
    folder = job.folder
    if folder is None:
        return []
    if job.box == "find" and (missing := _lacks_search(estimator, state)):
        _tell(f"{missing}: the whole picture is taken for the object; say --box where it is")
        job = replace(job, box="whole")
    elif job.box == "find" and estimator.model.search and not estimator.model.search.calibrated:
        _tell("presence isn't calibrated: what fits best is shown, be it there or not; only its order counts")
    return _Output(job, folder, estimator, state, examples).write_all()


def _lacks_search(estimator: PoseEstimator, state: SupportState) -> str:
    """Why nothing can be searched for; empty: it can."""
    if estimator.model.search is None:
        return f"{estimator.bundle.path} has no search (fmmp-export writes one)"
    return "" if state.sought is not None else "the saved support was remembered without a search"


def _remember(job: Job, estimator: PoseEstimator) -> tuple[SupportState, list[Example]]:
    """Read the examples and learn from them."""
    read = [
        read_annotation(file, image, links_from=job.links_from)
        for file, image in zip(job.annotations, job.supports, strict=True)
    ]
    annotations, notes = match_names(read)
    for note in notes:
        _tell(note)
    images = [read_image(path, most_pixels=job.most_pixels) for path in job.supports]
    supports = [
        Support(image, a.keypoints, a.links, a.visible, a.box)
        for image, a in zip(images, annotations, strict=True)
    ]
    for path, annotation in zip(job.supports, annotations, strict=True):
        if annotation.image and Path(annotation.image).name != path.name:
            _tell(f"the annotation of {path.name} says that it belongs to {annotation.image}")
    return estimator.remember(supports), list(zip(job.supports, images, annotations, strict=True))


class _Output:
    """Writes what the estimator says of each query, under a name of its own."""

    def __init__(
        self, job: Job, folder: Path, estimator: PoseEstimator, state: SupportState, examples: list[Example]
    ) -> None:
        self.job, self.folder, self.estimator, self.state = job, folder, estimator, state
        self.examples = examples
        self.names: set[str] = set()
        self.panels: list[tuple[str, Image]] = []
        self.lines: list[str] = []  # of JSON

    def write_all(self) -> list[str]:
        supports = [self._path(f"support-{path.stem}", ".jpg") for path, *_ in self.examples]
        targets = [(query, self._target(query)) for query in self.job.queries]
        if not self.job.overwrite:
            for query, path in targets:
                _check_ours(path, query)
        for (path, image, annotation), target in zip(self.examples, supports, strict=True):
            drawn = (annotation.keypoints, annotation.visible, self.state.links, None), annotation.box
            write_image(target, self._draw(image, drawn))
            self._show(f"support: {path.name}", image, drawn)
        failures: list[str] = []
        for query, path in targets:
            with _noted(failures, query):
                (self._video if is_video(query) else self._image)(query, path)
        if self.panels:
            sheet = self._path("sheet", ".jpg")
            with _noted(failures, str(sheet)):
                write_image(sheet, draw_sheet(self.panels))
                _tell(f"{sheet}: {'support and ' if self.examples else ''}queries side by side")
        if self.job.json is not None and str(self.job.json) != "-":
            with _noted(failures, str(self.job.json)):
                write_atomically(self.job.json, "".join(self.lines).encode())
        return failures

    def _target(self, query: str) -> Path:
        """Where the picture or video of a query goes."""
        stem = query.replace(":", "-") if query.startswith(CAMERA) else Path(query).stem
        return self._path(stem, ".mp4" if is_video(query) else ".jpg")

    def _image(self, query: str, path: Path) -> None:
        image = read_image(query, most_pixels=self.job.most_pixels)
        started = time.perf_counter()
        poses = self._ask(image)
        milliseconds = 1e3 * (time.perf_counter() - started)
        write_image(path, self._draw_all(image, poses))
        if poses:
            self._show(Path(query).name, image, _drawn(poses[0]))
        elif len(self.panels) < MOST_ON_SHEET:
            self.panels.append((f"{Path(query).name}: not found", image))
        self._report(query, path, self._as_json(poses), milliseconds)

    def _ask(self, image: Image) -> list[Pose]:
        """The poses that the job asks for, best first."""
        job = self.job
        if job.box == "find":
            return self.estimator.find(image, self.state, most=job.most, presence=job.presence)
        return [self.estimator.locate(image, self.state, None if job.box == "whole" else job.box)]

    def _draw_all(self, image: Image, poses: Sequence[Pose]) -> Image:
        for pose in poses:
            image = self._draw(image, _drawn(pose))
        return image if poses else draw_note(image, "not found")

    def _video(self, query: str, path: Path) -> None:
        reader = VideoReader(query)
        poses: list[dict[str, Any]] = []
        seconds, stopped = 0.0, None
        last: tuple[Image, list[Pose]] | None = None
        with VideoWriter(path, reader.rate) as writer:
            try:
                for frame in islice(reader, self.job.frames):
                    started = time.perf_counter()
                    found = self._ask(frame)
                    seconds += time.perf_counter() - started
                    last = frame, found
                    writer.write(self._draw_all(frame, found))
                    poses.append(self._as_json(found))
                    _progress(query, len(poses), reader.count)
            except KeyboardInterrupt:  # how a camera is stopped: what there is gets written
                if not poses:
                    raise
                _tell(f"{query}: stopped after {len(poses)} frames")
            except StoppedEarlyError as error:  # likewise, and then it is said
                stopped = error
        if sys.stderr.isatty():
            sys.stderr.write("\n")  # after the progress
        if last is not None and last[1]:
            self._show(Path(query).name, last[0], _drawn(last[1][0]))
        self._report(query, path, {"frames": poses}, 1e3 * seconds / max(len(poses), 1))
        if stopped is not None:
            raise stopped

    def _report(self, query: str, path: Path, content: dict[str, Any], milliseconds: float) -> None:
        """Write the JSON beside the picture and say so."""
        result = {"query": query, "picture": str(path), "milliseconds": round(milliseconds, 2)} | content
        write_json(path.with_suffix(".json"), result)
        self.lines.append(json.dumps(result) + "\n")
        frames = content.get("frames", [content])
        scores = [score for frame in frames for score in frame["score"]]
        seen = sum(frame["found"] > 0 for frame in frames)
        said = f"found in {seen} of {len(frames)} frames" if "frames" in content else _said(content)
        mean = f", mean score {np.mean(scores):.2f}" if scores else ""
        line = f"{query} -> {path}: {said}, {milliseconds:.1f} ms a frame{mean}"
        print(self.lines[-1].rstrip() if str(self.job.json) == "-" else line, flush=True)

    def _as_json(self, poses: Sequence[Pose]) -> dict[str, Any]:
        """The best pose, how many there are, and the others; without any, no keypoints."""
        names = self.examples[0][2].names if self.examples else None
        best = _pose_json(poses[0]) if poses else {"keypoints": [], "score": []}
        others = {"others": [_pose_json(pose) for pose in poses[1:]]} if len(poses) > 1 else {}
        return {"found": len(poses), **best, **others} | ({"names": names} if names else {})

    def _draw(self, image: Image, drawn: Drawn) -> Image:
        pose, box = drawn
        labels, threshold = self._labels(drawn), self.job.threshold
        legend = score_legend(threshold)
        return draw_pose(image, *pose, box=box, labels=labels, threshold=threshold, legend=legend)

    def _show(self, title: str, image: Image, drawn: Drawn) -> None:
        """Put it on the sheet, closer where it is small."""
        pose, box = drawn
        if len(self.panels) < MOST_ON_SHEET:
            labels, threshold = self._labels(drawn), self.job.threshold
            self.panels.append(pose_panel(title, image, *pose, box=box, labels=labels, threshold=threshold))

    def _labels(self, drawn: Drawn) -> list[str] | None:
        names = self.examples[0][2].names if self.examples else None
        return labels_of(len(drawn[0][0]), names) if self.job.names else None

    def _path(self, stem: str, ending: str) -> Path:
        """A name that no other result of this run has; "-pose" keeps it from being an input's."""
        name, number = f"{stem}-pose", 1
        while name in self.names:
            number += 1
            name = f"{stem}-pose-{number}"
        self.names.add(name)
        return self.folder / f"{name}{ending}"


@contextmanager
def _noted(failures: list[str], what: str) -> Iterator[None]:
    """Note what went wrong, and go on with the next."""
    try:
        yield
    except (OSError, ValueError) as error:
        failures.append(str(error) if what in str(error) else f"{what}: {error}")


def _check_ours(picture: Path, query: str) -> None:
    """Refuse to replace what another query gave, or another hour of a camera, or what is no result.

    Raises:
        FileExistsError: says whose they are.
    """
    file = picture.with_suffix(".json")
    found = next((each for each in (file, picture) if each.exists()), None)
    if found is None:
        return
    try:
        owner = str(parse(file.read_bytes())["query"])
    except (OSError, ValueError, LookupError, TypeError):
        owner = "something else"
    is_same = Path(owner).absolute() == Path(query).absolute()
    if not is_same or query.startswith(CAMERA):  # which shows other things
        raise FileExistsError(
            f"{found} is there already, of {owner}: choose another --out, or say --overwrite"
        )


def _pose_json(pose: Pose) -> dict[str, Any]:
    presence = {} if math.isnan(pose.presence) else {"presence": round(pose.presence, 4)}
    return {
        "keypoints": pose.keypoints.round(2).tolist(),
        "score": pose.score.round(4).tolist(),
        "known": pose.known.tolist(),
        "links": pose.links.tolist(),
        "box": pose.box.round(2).tolist(),
        **presence,
    }


def _said(content: dict[str, Any]) -> str:
    """What was found in a picture, and how sure that is."""
    presence = f", presence {content['presence']:.2f}" if "presence" in content else ""
    more = f"{content['found']} found" if content["found"] != 1 else "found"
    return f"{more}{presence}" if content["found"] else "not found"


def _drawn(pose: Pose) -> Drawn:
    return (pose.keypoints, pose.known, pose.links, pose.score), pose.box


def _make_folder(folder: Path) -> None:
    """Make the output folder and see that it can be written to, before any work is done."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out must be a folder, but {folder} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".fmmp-run"
    write_atomically(probe, b"")
    probe.unlink()


def _tell(text: str) -> None:
    say("fmmp-run", text)


def _progress(query: str, done: int, count: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{query}: frame {done}{f' of {count}' if count else ''}\x1b[K")
    elif done % 100 == 0:
        _tell(f"{query}: {done}{f' of {count}' if count else ''} frames")
