# SPDX-License-Identifier: Apache-2.0
"""Data: synthetic categories, self-pairs, MP-100 annotations, episodes, augmentation, examples."""
