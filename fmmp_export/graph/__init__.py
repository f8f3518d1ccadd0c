# SPDX-License-Identifier: Apache-2.0
"""From traced modules to static ONNX graphs."""
