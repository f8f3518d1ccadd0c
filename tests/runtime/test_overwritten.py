# SPDX-License-Identifier: Apache-2.0
"""A bundle whose files are overwritten in place under a running program, which goes on as it was."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import BundleError
from tests.fakes.bundle import write_bundle

# What a mapped file would show: bytes that are gone end the process, others change its answers.
PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from fmmp_runtime import PoseEstimator, Support

folder, way = Path(sys.argv[1]), sys.argv[2]
image = np.full((64, 64, 3), 99, np.uint8)
support = Support(image, [[10, 10], [50, 20], [30, 55]])
estimator = PoseEstimator(folder, "onnxruntime", threads=1)
state = estimator.remember([support])
expected = estimator.locate(image, state)
with (folder / "weights.bin").open("r+b") as file:
    size = file.seek(0, 2)
    if way == "shorter":
        file.truncate(0)
    else:
        file.seek(0)
        file.write(np.full(size // 4, 0.25, np.float32).tobytes())
(folder / "support.onnx").write_bytes(b"another graph")
again = estimator.remember([support])
for one in (state, again):
    np.testing.assert_array_equal(estimator.locate(image, one).keypoints, expected.keypoints)
again.save(folder / "state.safetensors")
"""


@pytest.mark.parametrize("way", ["shorter", "other numbers"])
def test_it_keeps_what_it_checked(tmp_path: Path, way: str) -> None:
    folder, good = write_bundle(tmp_path / "bundle"), write_bundle(tmp_path / "good")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), way], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    state = PoseEstimator(good, "onnxruntime", threads=1).load_state(folder / "state.safetensors")
    image = np.full((64, 64, 3), 99, np.uint8)
    expected = PoseEstimator(good, "onnxruntime", threads=1).remember(
        [Support(image, [[10, 10], [50, 20], [30, 55]])]
    )
    for name, tensor in expected.tensors.items():
        np.testing.assert_array_equal(state.tensors[name], tensor)


def test_a_graph_that_is_loaded_later_is_compared_again(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", batches=[2])
    estimator = PoseEstimator(folder, "onnxruntime", threads=1)
    image = np.zeros((64, 64, 3), np.uint8)
    state = estimator.remember([Support(image, [[10, 10], [50, 20]])])
    (folder / "query_batch2.onnx").write_bytes((folder / "query.onnx").read_bytes())
    with pytest.raises(BundleError, match=r"query_batch2\.onnx has changed since its export"):
        estimator.locate([image, image], state)
    estimator.locate(image, state)


def test_a_file_is_read_as_it_was_when_the_bundle_was_opened(tmp_path: Path) -> None:
    bundle = Bundle.open(write_bundle(tmp_path / "bundle"))
    assert bundle.read("weights.bin") == (tmp_path / "bundle" / "weights.bin").read_bytes()
    (tmp_path / "bundle" / "weights.bin").unlink()
    with pytest.raises(BundleError, match="is missing"):
        bundle.read("weights.bin")
