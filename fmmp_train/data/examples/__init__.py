# SPDX-License-Identifier: Apache-2.0
"""Training examples: photographs and drawings become pairs of crops."""
