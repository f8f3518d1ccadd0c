# SPDX-License-Identifier: Apache-2.0
"""Score a method of your own on a data folder in MP-100's layout, with PCK as everywhere in this project.

python docs/examples/own_method.py DATA SPLIT
"""

import sys
from pathlib import Path

import numpy as np

from fmmp_runtime.pose import pck
from fmmp_train.data import draw_episodes, read_split

folder, split = sys.argv[1:]

dataset = read_split(Path(folder), split)
instances = {instance.id: instance for instance in dataset.instances}
scores = []
for episode in draw_episodes(dataset, shots=1, queries=5, episodes=10):
    support = instances[episode.support[0]]
    for number in episode.queries:
        query = instances[number]
        # The method: where the support has it, in its box. Put yours here.
        place = (support.keypoints_px - support.box_xywh[:2]) / support.box_xywh[2:]
        found = place * query.box_xywh[2:] + query.box_xywh[:2]
        seen = support.visible & query.visible
        scores.append(pck(found, query.keypoints_px, seen, query.box_xywh[2:], 0.2))
print(f"PCK@0.2 {100 * np.mean(scores):.1f} over {len(scores)} pairs")
