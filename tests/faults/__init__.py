# SPDX-License-Identifier: Apache-2.0
"""Faults as figures: hostile inputs, kills, and breaks of the code that a test must notice.

A short part runs as tests (`make faults`); the long one is `python -m tests.faults.long`.
"""
