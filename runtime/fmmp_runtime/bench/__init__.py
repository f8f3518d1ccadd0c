# SPDX-License-Identifier: Apache-2.0
"""How long a bundle takes on this machine: `fmmp-bench`."""
