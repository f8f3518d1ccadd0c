# SPDX-License-Identifier: Apache-2.0
"""Weights as data only: ours and the released ones."""

from fmmp_train.checkpoint.files import load_model, save_model

__all__ = ["load_model", "save_model"]
