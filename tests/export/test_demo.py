# SPDX-License-Identifier: Apache-2.0
"""The demo's tasks: what it claims to be the truth, and that it runs the runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fmmp_export import demo
from fmmp_export.export import Export
from fmmp_runtime.files import sha256
from fmmp_runtime.media.image import Image, read_image


def patch(image: Image, point: NDArray[np.floating], radius: int) -> NDArray[np.float64]:
    x, y = np.rint(point).astype(int)
    return image[y - radius : y + radius + 1, x - radius : x + radius + 1].astype(np.float64)


def test_truth_of_the_stereo_pair_shows_the_same_spots(tmp_path: Path) -> None:
    """What is around a keypoint is around its truth in the other picture, and not ten pixels beside it."""
    task = demo.motorcycle_task(tmp_path)
    left, right = read_image(task.support), read_image(task.queries[0])
    known = np.isfinite(task.truths[0]).all(1)
    assert known.sum() >= 10
    keypoints, truth = np.array(list(demo.MOTORCYCLE.values()))[known], task.truths[0][known]

    def difference(shift: int) -> float:
        pairs = zip(keypoints, truth + np.array([shift, 0]), strict=True)
        return float(np.mean([np.abs(patch(left, a, 6) - patch(right, b, 6)).mean() for a, b in pairs]))

    assert difference(0) < 0.6 * min(difference(-10), difference(10))


def test_turned_picture_has_its_truth_turned(tmp_path: Path) -> None:
    task = demo.motorcycle_task(tmp_path)
    known = np.isfinite(task.truths[0]).all(1)
    plain, turned = (read_image(query) for query in task.queries)
    spots = zip(task.truths[0][known], task.truths[1][known], strict=True)
    means = [(patch(plain, before, 4).mean(), patch(turned, after, 4).mean()) for before, after in spots]
    assert np.abs(np.subtract(*np.transpose(means))).mean() < 5  # grey levels; turned the other way, over 30


def test_runtime_answers_for_every_query(float_export: Export, tmp_path: Path) -> None:
    task = demo.motorcycle_task(tmp_path)
    result = demo.run_task(task, float_export.path)
    assert len(result.hits) == 2
    assert len(result.milliseconds) == 1
    assert (tmp_path / "result" / "sheet-pose.jpg").is_file()


def test_synthetic_task_scores_what_both_pictures_show(tmp_path: Path) -> None:
    task = demo.synthetic_task(demo.FIRST_SYNTHETIC, tmp_path)
    shown = np.array(json.loads(task.annotation.read_text())["keypoints"])[:, 2] > 0
    assert len(task.queries) == demo.SYNTHETIC_QUERIES
    for truth in task.truths:
        scored = np.isfinite(truth).all(1)
        assert scored.any()
        assert not (scored & ~shown).any()


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo.safetensors").write_bytes(b"weights")
    entry = {"file": "demo.safetensors", "sha256": sha256(tmp_path / "demo.safetensors")}
    (tmp_path / "manifest.json").write_text(json.dumps({"demo": entry}))
    assert demo.find_checkpoint(tmp_path) == tmp_path / "demo.safetensors"
    (tmp_path / "demo.safetensors").write_bytes(b"others")
    with pytest.raises(ValueError, match=r"not the file that its manifest\.json names"):
        demo.find_checkpoint(tmp_path)
