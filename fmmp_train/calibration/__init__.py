# SPDX-License-Identifier: Apache-2.0
"""Make the score of a keypoint honest."""
