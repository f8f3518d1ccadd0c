# SPDX-License-Identifier: Apache-2.0
"""Types of command-line arguments that several commands have."""

import argparse


def positive(text: str) -> int:
    """A whole number from 1; anything else is a wrong argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
