# SPDX-License-Identifier: Apache-2.0
"""FMMP: recurrent feature mining with structure-aware deformable attention."""
