# SPDX-License-Identifier: Apache-2.0
"""The way of the data as a picture: every box names what does it in the code, and the test looks it up."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from docs.pictures.rooms import COLOURS
from docs.pictures.svg import LINE, Drawing
from tests.project.rooms import PACKAGES

WIDTH, TALL, GAP, LEFT, TOP = 150, 56, 34, 110, 14  # pixels


class Step(NamedTuple):
    """A box of the picture."""

    what: str
    module: str
    name: str  # of a function or a class in it; "": the module itself


ROWS: dict[str, tuple[Step, ...]] = {
    "training": (
        Step("MP-100 and others", "fmmp_train.data.coco", "read_annotations"),
        Step("pairs of crops", "fmmp_train.data.examples.dataset", "make_example"),
        Step("losses, optimiser", "fmmp_train.training.step", "TrainStep"),
        Step("checkpoint", "fmmp_train.checkpoint.files", "save_model"),
    ),
    "export": (
        Step("checkpoint", "fmmp_train.checkpoint.files", "load_model"),
        Step("support and query half", "fmmp_export.graph.parts", "support_part"),
        Step("static graphs", "fmmp_export.graph.writer", "trace"),
        Step("compared with torch", "fmmp_export.parity", "verify"),
        Step("bundle", "fmmp_export.bundle", "describe"),
    ),
    "once": (
        Step("support image", "fmmp_runtime.media.image", "read_image"),
        Step("its keypoints, links", "fmmp_runtime.annotation.reader", "read_annotation"),
        Step("crop around its box", "fmmp_runtime.pose.crop", "crop_matrix"),
        Step("padded to K keypoints", "fmmp_runtime.pose.padding", "pad_keypoints"),
        Step("support state", "fmmp_runtime.support_state", "SupportState"),
    ),
    "every frame": (
        Step("frame", "fmmp_runtime.media.video", "VideoReader"),
        Step("crop around its box", "fmmp_runtime.pose.crop", "crop_matrix"),
        Step("query graph", "fmmp_runtime.backends.onnxruntime", "OnnxRuntimeBackend"),
        Step("pose in pixels", "fmmp_runtime.pose.answer", "Pose"),
        Step("picture", "fmmp_runtime.media.draw", "draw_pose"),
    ),
}


def missing() -> Iterator[str]:
    """Steps whose module or name isn't there."""
    for steps in ROWS.values():
        for step in steps:
            top, *parts = step.module.split(".")
            place = PACKAGES[top].joinpath(*parts)
            file = place.with_suffix(".py")
            if file.is_file():
                body = ast.parse(file.read_text(encoding="utf-8")).body
                if step.name in {getattr(node, "name", None) for node in body}:
                    continue
            elif (place / f"{step.name}.py").is_file():
                continue
            yield f"{step.module}.{step.name}"


def picture() -> str:
    """SVG: a row a stage; a bundle goes from the second to the last two, a support state to the last."""
    longest = max(map(len, ROWS.values()))
    row = TALL + GAP
    drawing = Drawing(LEFT + longest * (WIDTH + GAP), TOP + len(ROWS) * row)
    for number, (stage, steps) in enumerate(ROWS.items()):
        top = TOP + number * row
        drawing.text(8, top + TALL // 2 + 4, [stage], bold=True, middle=False)
        for column, step in enumerate(steps):
            left = LEFT + column * (WIDTH + GAP)
            drawing.box(left, top, WIDTH, TALL, COLOURS[step.module.split(".")[0]], step.module)
            drawing.text(left + WIDTH // 2, top + TALL // 2 - 4, [step.what], bold=True)
            drawing.text(left + WIDTH // 2, top + TALL // 2 - 4 + LINE + 2, [step.name])
            if column:
                drawing.arrow((left - GAP, top + TALL // 2), (left - 2, top + TALL // 2))
    _draw_hand_overs(drawing, row)
    return str(drawing)


def _draw_hand_overs(drawing: Drawing, row: int) -> None:
    """Checkpoint to export, graphs of the bundle and support state to the frames."""

    def centre(column: int) -> int:
        return LEFT + column * (WIDTH + GAP) + WIDTH // 2

    def below(number: int) -> int:
        return TOP + number * row + TALL

    half = GAP // 2
    hops = ((0, 3, 0), (2, 4, 2))  # from the bottom of a row's column to the top of the next row's column
    for number, start, end in hops:
        turn = below(number) + half
        arrive = below(number) + GAP - 2
        drawing.arrow(
            (centre(start), below(number)), (centre(start), turn), (centre(end), turn), (centre(end), arrive)
        )
    drawing.arrow((centre(4), below(1)), (centre(4), below(1) + GAP - 2))
    drawing.text(centre(4) + 8, below(1) + half + 4, ["support graph"], middle=False)
    drawing.text(centre(3), below(2) + half - 4, ["with the query graph"])
