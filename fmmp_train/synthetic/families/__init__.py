# SPDX-License-Identifier: Apache-2.0
"""Families of figures; each module's `build` draws the geometry and the textures of one category."""
