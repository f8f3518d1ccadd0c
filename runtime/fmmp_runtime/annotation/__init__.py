# SPDX-License-Identifier: Apache-2.0
"""Annotations that people bring, one reader a format."""

from fmmp_runtime.annotation.reader import Annotation, read_annotation

__all__ = ["Annotation", "read_annotation"]
