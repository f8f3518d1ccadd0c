# SPDX-License-Identifier: Apache-2.0
"""Types of command-line arguments that several commands have."""

import argparse


def positive(text: str) -> int:
    """A whole number from 1; anything else is a wrong argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def share(text: str) -> float:
    """A number from 0 to 1; anything else is a wrong argument."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, got {text}")
    return number
