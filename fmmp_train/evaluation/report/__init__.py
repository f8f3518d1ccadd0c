# SPDX-License-Identifier: Apache-2.0
"""An evaluation for people and for programs: tables, pictures, JSON and CSV."""
