# SPDX-License-Identifier: Apache-2.0
"""A run on disk and on the terminal: its state, its journal, its pace, its end."""
