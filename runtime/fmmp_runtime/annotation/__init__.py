# SPDX-License-Identifier: Apache-2.0
"""Annotations that people bring, one reader a format."""

from fmmp_runtime.annotation.reader import read_annotation
from fmmp_runtime.annotation.record import Annotation

__all__ = ["Annotation", "read_annotation"]
