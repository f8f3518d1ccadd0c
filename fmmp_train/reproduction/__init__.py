# SPDX-License-Identifier: Apache-2.0
"""The paper's ablations at a scale of one's own."""
