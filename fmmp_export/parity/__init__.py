# SPDX-License-Identifier: Apache-2.0
"""Whether what is deployed gives what PyTorch gives."""
