# SPDX-License-Identifier: Apache-2.0
"""PCK of anything that locates keypoints, and what its score is worth."""
