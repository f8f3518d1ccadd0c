# SPDX-License-Identifier: Apache-2.0
"""Several objects of one category in one frame, by their boxes, with a support remembered in a file.

python docs/examples/many_objects.py BUNDLE state.safetensors frame.jpg X Y W H [X Y W H ...]

The state is what `fmmp-run BUNDLE --support ... --annotation ... --save-state state.safetensors` wrote: a
device that runs this never sees the support image.
"""

import sys

import numpy as np

from fmmp_runtime import PoseEstimator, read_image

bundle, state_file, image, *numbers = sys.argv[1:]

estimator = PoseEstimator(bundle, threads=1)
state = estimator.load_state(state_file)
boxes = np.array(numbers, float).reshape(-1, 4)
poses = estimator.locate(read_image(image), state, box=boxes)  # one call, as few runs as the bundle allows
for pose in poses:
    print(pose.box.round().tolist(), "mean score", round(float(pose.score.mean()), 2))
