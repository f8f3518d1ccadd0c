# SPDX-License-Identifier: Apache-2.0
"""The paper's numbers against the means that it prints itself."""

import pytest

from fmmp_train.evaluation.report.paper import DETAILED, FIVE_SHOT, ONE_SHOT, published

PRINTED = {  # Table 1, column AVG: one shot, five shots
    "POMNet": (64.53, 68.28),
    "CapeFormer": (70.58, 75.45),
    "ESCAPE": (66.47, 72.95),
    "MetaPoint": (72.23, 76.90),
    "GraphCape": (68.97, 74.19),
    "SCAPE": (72.36, 77.18),
    "FMMP": (73.42, 78.02),
}


@pytest.mark.parametrize("method", PRINTED)
def test_rows_agree_with_the_printed_means(method: str) -> None:
    for table, expected in zip((ONE_SHOT, FIVE_SHOT), PRINTED[method], strict=True):
        assert sum(table[method]) / 5 == pytest.approx(expected, abs=0.0101)  # cut or rounded to a hundredth
    assert sum(DETAILED[method]) / 4 == pytest.approx(ONE_SHOT[method][0], abs=0.0101)


def test_rows_of_a_split() -> None:
    best = published("split1_test", 1)[-1]
    assert (best.method, best.pck, best.mpck) == ("FMMP", (57.30, 78.48, 87.28, 91.82), 78.72)
    assert published("mp100_split4_test", 5)[0].mpck == 67.78
    assert published("split4_test", 5)[0].pck is None
    for split, shots in (("split1_val", 1), ("split6_test", 1), ("val", 1), ("split1_test", 2)):
        assert published(split, shots) == []
