# SPDX-License-Identifier: Apache-2.0
"""Runs an exported FMMP bundle: numpy, OpenCV and ONNX Runtime, no torch."""
