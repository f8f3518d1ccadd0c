# SPDX-License-Identifier: Apache-2.0
"""The paper's figures 3, 4 and 5, from any model and data."""
