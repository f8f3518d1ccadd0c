# SPDX-License-Identifier: Apache-2.0
"""What grows: people, animals and plants."""
