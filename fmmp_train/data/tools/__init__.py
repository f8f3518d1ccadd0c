# SPDX-License-Identifier: Apache-2.0
"""Look through data folders, fill them, write them."""
