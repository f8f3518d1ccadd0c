# SPDX-License-Identifier: Apache-2.0
"""Networks of timm that read the images: their maps of three strides, or the last one alone."""
