# SPDX-License-Identifier: Apache-2.0
"""TensorRT and TensorRT-RTX engines for the graphs of a bundle."""
