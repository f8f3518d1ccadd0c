# SPDX-License-Identifier: Apache-2.0
"""Mistakes that somebody might make, each with the test that must turn red."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Text of a module, found once, what stands there instead, and who must notice."""

    module: str
    before: str
    after: str
    tests: str

    def of(self, text: str) -> str:
        """The broken source."""
        if text.count(self.before) != 1:
            raise ValueError(f"{self.module} holds {text.count(self.before)} times: {self.before}")
        return text.replace(self.before, self.after)


_CROP, _POSE = "fmmp_runtime.pose.crop", "tests/runtime/pose"
_STATE = "fmmp_runtime.support_state"

MUTANTS = {
    "crop: clips to the width, not to the last pixel": Mutant(
        _CROP, "(width - 1, height - 1)", "(width, height)", f"{_POSE}/test_crop.py"
    ),
    "crop: padding left out": Mutant(_CROP, " * padding * scale", " * scale", f"{_POSE}/test_crop.py"),
    "crop: turns the other way": Mutant(
        _CROP, "[[cos, sin], [-sin, cos]]", "[[cos, -sin], [sin, cos]]", f"{_POSE}/test_crop.py"
    ),
    "skeleton: a hidden keypoint leads on": Mutant(
        "fmmp_runtime.pose.skeleton",
        "        if shown[start]:\n",
        "        if True:\n",
        f"{_POSE}/test_skeleton.py",
    ),
    "skeleton: deep before broad": Mutant(
        "fmmp_runtime.pose.skeleton",
        "order += [near for near in dict.fromkeys(neighbours[node]) if near not in order]",
        "order[1:1] = [near for near in dict.fromkeys(neighbours[node]) if near not in order]",
        f"{_POSE}/test_skeleton.py",
    ),
    "padding: shares of the other end": Mutant(
        "fmmp_runtime.pose.padding",
        "share[:, None] * points[start] + (1 - share[:, None]) * points[end]",
        "share[:, None] * points[end] + (1 - share[:, None]) * points[start]",
        f"{_POSE}/test_padding.py",
    ),
    "padding: visible where one end is": Mutant(
        "fmmp_runtime.pose.padding",
        "shown[start] & shown[end]",
        "shown[start] | shown[end]",
        f"{_POSE}/test_padding.py",
    ),
    "metrics: of the shorter side": Mutant(
        "fmmp_runtime.pose.metrics",
        "threshold * np.max(np.asarray(box_size_wh, np.float64))",
        "threshold * np.min(np.asarray(box_size_wh, np.float64))",
        f"{_POSE}/test_metrics.py",
    ),
    "metrics: hidden keypoints count": Mutant(
        "fmmp_runtime.pose.metrics",
        "float((right & valid).sum()",
        "float(right.sum()",
        f"{_POSE}/test_metrics.py",
    ),
    "state: the digest is not compared": Mutant(
        _STATE,
        'if _digest(tensors[spec.name] for spec in specs) != texts.get("tensors"):',
        "if False:",
        "tests/runtime/test_support_state.py",
    ),
    "state: of any bundle": Mutant(
        _STATE, "    if found != expected:\n", "    if False:\n", "tests/runtime/test_support_state.py"
    ),
    "bundle: hashes are not compared": Mutant(
        "fmmp_runtime.bundle.folder",
        "    if found != expected:\n",
        "    if False:\n",
        "tests/runtime/test_bundle.py",
    ),
    "signature: looked at and not verified": Mutant(
        "fmmp_runtime.bundle.signature",
        "key.verify(read_regular(file, _MOST_BYTES), content)",
        "read_regular(file, _MOST_BYTES)",
        "tests/runtime/test_signature.py",
    ),
    "files: written in place": Mutant(
        "fmmp_runtime.files",
        'partial = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(4)}{PART}")',
        "partial = path",
        "tests/runtime/test_files.py",
    ),
    "files: nothing is synced": Mutant(
        "fmmp_runtime.files",
        "                    os.fsync(file.fileno())\n",
        "                    pass\n",
        "tests/runtime/test_files.py",
    ),
    "estimator: the score of what nobody saw": Mutant(
        "fmmp_runtime.estimator",
        "np.where(state.known, score[:count], 0)",
        "score[:count]",
        "tests/runtime/test_estimator.py",
    ),
    "pictures: two orientations exchanged": Mutant(
        "fmmp_runtime.media.decode",
        "if orientation in (2, 3, 7, 8):",
        "if orientation in (2, 3, 6, 8):",
        "tests/runtime/test_image.py",
    ),
    "pictures: no limit": Mutant(
        "fmmp_runtime.media.decode",
        "if height * width > most_pixels:",
        "if False:",
        "tests/runtime/test_image.py",
    ),
    "annotation: v = 0 is visible": Mutant(
        "fmmp_runtime.annotation.points",
        "there & (~given | (flags > 0))",
        "there",
        "tests/runtime/annotation/test_field.py",
    ),
    "settings: unknown keys are taken": Mutant(
        "fmmp_runtime.settings",
        "        if key not in known:\n",
        "        if False:\n",
        "tests/runtime/test_bundle.py",
    ),
    "loss: hidden keypoints count": Mutant(
        "fmmp_train.training.loss",
        "_visible_mean(error, visible & annotated)",
        "_visible_mean(error, annotated)",
        "tests/train/training/test_loss.py",
    ),
    "loss: padded ones weigh as much": Mutant(
        "fmmp_train.training.loss",
        "KeypointLoss(raw, beta * padded)",
        "KeypointLoss(raw, padded)",
        "tests/train/training/test_loss.py",
    ),
    "augment: mirrored by one pixel too far": Mutant(
        "fmmp_train.data.examples.augment",
        "view.image.shape[1] - 1",
        "view.image.shape[1]",
        "tests/train/data/test_augment.py",
    ),
    "episodes: another stream": Mutant(
        "fmmp_train.data.episodes",
        "random.Random(seed)",
        "random.Random(seed + 1)",
        "tests/train/data/test_episodes.py",
    ),
    "checkpoint: read as a program": Mutant(
        "fmmp_train.checkpoint.files",
        "weights_only=True",
        "weights_only=False",
        "tests/train/model/test_checkpoint.py",
    ),
    "checkpoint: NaN is taken": Mutant(
        "fmmp_train.checkpoint.files",
        "    _check_finite(state)\n",
        "",
        "tests/train/model/test_checkpoint.py",
    ),
    "export: the rest of killed ones stays": Mutant(
        "fmmp_export.bundle", "        _remove_left(path, PART)\n", "", "tests/export/test_new_folder.py"
    ),
    "studio: any site may ask": Mutant(
        "fmmp_runtime.studio.app",
        'if origin is not None and origin.split("://")[-1] != host:',
        "if False:",
        "tests/runtime/studio/test_server.py",
    ),
    "studio: saves over another's work": Mutant(
        "fmmp_runtime.studio.project",
        "            if found != revision:\n",
        "            if False:\n",
        "tests/runtime/studio/test_server.py",
    ),
}
QUICK = (
    "crop: padding left out",
    "padding: visible where one end is",
    "state: the digest is not compared",
    "bundle: hashes are not compared",
    "signature: looked at and not verified",
    "files: written in place",
)
