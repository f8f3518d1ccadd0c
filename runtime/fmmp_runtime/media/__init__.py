# SPDX-License-Identifier: Apache-2.0
"""Pictures and moving pictures: read, crop, draw, write."""
