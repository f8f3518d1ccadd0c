# SPDX-License-Identifier: Apache-2.0
"""Numbers of the paper, percent: FMMP, arXiv:2503.21140, Tables 1 to 4."""

from __future__ import annotations

import re
from typing import NamedTuple

# Table 1: mPCK on MP-100's splits 1 to 5.
ONE_SHOT = {
    "POMNet": (69.22, 63.23, 62.87, 63.42, 63.92),
    "CapeFormer": (75.13, 69.30, 68.59, 68.50, 71.38),
    "ESCAPE": (72.42, 66.83, 63.92, 64.71, 64.48),
    "MetaPoint": (77.11, 71.07, 70.32, 69.93, 72.73),
    "GraphCape": (73.47, 68.45, 67.61, 67.32, 68.02),
    "SCAPE": (77.53, 71.21, 70.41, 69.51, 73.12),
    "FMMP": (78.72, 72.32, 71.38, 70.74, 73.93),
}
FIVE_SHOT = {
    "POMNet": (71.31, 67.59, 66.41, 67.78, 68.31),
    "CapeFormer": (78.05, 74.43, 74.87, 73.80, 76.11),
    "ESCAPE": (75.53, 73.18, 71.12, 72.24, 72.68),
    "MetaPoint": (79.22, 75.51, 76.20, 75.92, 77.65),
    "GraphCape": (77.21, 74.11, 73.25, 73.28, 73.09),
    "SCAPE": (79.35, 76.26, 76.29, 76.12, 77.89),
    "FMMP": (80.67, 77.24, 76.92, 77.13, 78.12),
}
# Table 2: PCK at 0.05, 0.1, 0.15 and 0.2 on split 1, one shot.
DETAILED = {
    "POMNet": (44.39, 68.87, 79.39, 84.23),
    "CapeFormer": (51.03, 75.17, 84.87, 89.45),
    "ESCAPE": (48.24, 72.25, 82.30, 86.89),
    "MetaPoint": (55.08, 77.12, 85.81, 90.43),
    "GraphCape": (48.55, 73.43, 83.71, 88.19),
    "SCAPE": (54.09, 77.34, 87.02, 91.67),
    "FMMP": (57.30, 78.48, 87.28, 91.82),
}
# Tables 3 and 4: mPCK of versions of FMMP on split 1, one shot, by the name of our preset.
VERSIONS = {
    "table3-1": 69.82,
    "table3-2": 73.18,
    "table3-3": 76.23,
    "table3-4": 77.41,
    "table3-5": 78.72,
    "table4-fledged": 78.72,
    "table4-s3q3": 77.48,
    "table4-alllink": 76.17,
    "table4-nonelink": 75.23,
    "table4-mixuptest": 78.35,
    "table4-zerotest": 76.61,
}


class Published(NamedTuple):
    """What the paper prints for one method, percent."""

    method: str
    pck: tuple[float, ...] | None  # at the four thresholds; None: not in the paper
    mpck: float


def published(split: str, shots: int) -> list[Published]:
    """The rows that a measurement can be set beside; none for other splits or shots.

    Args:
        split: name of an annotation file: "split1_test", "mp100_split3_test".
        shots: 1 or 5.
    """
    found = re.fullmatch(r"(?:mp100_)?split([1-5])_test", split)
    table = {1: ONE_SHOT, 5: FIVE_SHOT}.get(shots)
    if found is None or table is None:
        return []
    number = int(found[1])
    detailed = DETAILED if (number, shots) == (1, 1) else {}
    return [Published(method, detailed.get(method), row[number - 1]) for method, row in table.items()]
