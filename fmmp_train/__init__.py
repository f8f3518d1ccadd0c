# SPDX-License-Identifier: Apache-2.0
"""FMMP in PyTorch: the network, its data, its training and its evaluation."""
