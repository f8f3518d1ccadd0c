# SPDX-License-Identifier: Apache-2.0
"""Released checkpoints of other estimators: a table of names and the reading of the shapes for each."""
