# SPDX-License-Identifier: Apache-2.0
"""The commands of training, evaluation and data."""
