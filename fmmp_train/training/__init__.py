# SPDX-License-Identifier: Apache-2.0
"""Train a network by a recipe."""
