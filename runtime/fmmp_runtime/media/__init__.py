# SPDX-License-Identifier: Apache-2.0
"""Pictures and moving pictures: read, crop, draw, write."""

UNSURE = 0.5  # a score below it: the keypoint is more likely wrong than right
