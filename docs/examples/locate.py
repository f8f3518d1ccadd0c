# SPDX-License-Identifier: Apache-2.0
"""Find the keypoints of an annotated object in another picture.

python docs/examples/locate.py BUNDLE support.jpg support.json query.jpg picture.jpg
"""

import sys

from fmmp_runtime import PoseEstimator, Support, draw_pose, read_annotation, read_image
from fmmp_runtime.media.draw import score_legend
from fmmp_runtime.media.image import write_image

bundle, support, annotation, query, picture = sys.argv[1:]

example = read_annotation(annotation, support)
estimator = PoseEstimator(bundle)  # estimator.backend.description says what runs it
state = estimator.remember(
    [Support(read_image(support), example.keypoints, example.links, example.visible, example.box)]
)
frame = read_image(query)
pose = estimator.locate(frame, state)  # box=(x, y, width, height) if you know where the object is

for k, ((x, y), score) in enumerate(zip(pose.keypoints, pose.score, strict=True)):
    print(f"{example.names[k] if example.names else k}: {x:.1f} {y:.1f}, score {score:.2f}")
drawn = draw_pose(
    frame, pose.keypoints, pose.known, pose.links, pose.score, box=pose.box, legend=score_legend()
)
write_image(picture, drawn)
