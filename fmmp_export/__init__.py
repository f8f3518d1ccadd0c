# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to a bundle: static ONNX graphs, checked before they are written."""
