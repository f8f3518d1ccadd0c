# SPDX-License-Identifier: Apache-2.0
"""What people make: vehicles, furniture, clothes, bottles, patterned grids."""
