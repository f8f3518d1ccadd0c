# SPDX-License-Identifier: Apache-2.0
"""Run FMMP without torch: from a support image with keypoints to poses in any other image."""
