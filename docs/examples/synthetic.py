# SPDX-License-Identifier: Apache-2.0
"""Draw instances of an invented category, with its keypoints: training data without end.

python docs/examples/synthetic.py NUMBER picture.png
"""

import sys

import numpy as np

from fmmp_runtime.media.image import write_image
from fmmp_runtime.media.sheet import draw_sheet, pose_panel
from fmmp_train.synthetic import SyntheticCategory

number, picture = sys.argv[1:]

category = SyntheticCategory(int(number))  # the same number is the same category, on every machine
panels = []
for seed in range(4):
    drawn = category.render(np.random.default_rng(seed), 256)
    title = f"{category.num_keypoints} keypoints, instance {seed}"
    panels.append(
        pose_panel(title, drawn.image, drawn.keypoints_px, drawn.visible, category.links, box=drawn.box)
    )
write_image(picture, draw_sheet(panels))
