# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest

from fmmp_train.data import DataError, Dataset, draw_episodes, read_annotations
from tests.golden import load_json


@pytest.fixture(scope="module")
def golden() -> Any:  # noqa: ANN401  # JSON
    return load_json("episodes")


@pytest.fixture(scope="module")
def split1_test(golden: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The ids of MP-100's annotation file in their order, with made-up boxes and keypoints."""
    content = {
        "images": [{"id": i, "file_name": "a.jpg", "height": 9, "width": 9} for i in golden["images"]],
        "annotations": [
            {
                "id": a,
                "image_id": image,
                "category_id": c,
                "num_keypoints": n,
                "keypoints": [1, 1, 2],
                "bbox": [0, 0, 5, 5],
            }
            for a, image, c, n in golden["annotations"]
        ],
        "categories": [{"id": c, "name": "", "skeleton": []} for c in golden["categories"]],
    }
    file = tmp_path_factory.mktemp("mp100") / "mp100_split1_test.json"
    file.write_text(json.dumps(content))
    return read_annotations(file)


@pytest.mark.parametrize("case", [0, 1], ids=["one shot", "five shots"])
def test_draws_the_released_episodes(golden: dict[str, Any], split1_test: Dataset, case: int) -> None:
    wanted = golden["draws"][case]
    drawn = draw_episodes(
        split1_test, shots=wanted["shots"], queries=wanted["queries"], episodes=wanted["episodes"], seed=1
    )
    assert [(e.category_id, list(e.support), list(e.queries)) for e in drawn] == [
        (e["category"], e["support"], e["queries"]) for e in wanted["drawn"]
    ]


def test_another_seed_or_order_gives_others(golden: dict[str, Any], split1_test: Dataset) -> None:
    first = draw_episodes(split1_test, episodes=1)
    assert draw_episodes(split1_test, episodes=1, seed=2) != first
    reversed_order = draw_episodes(split1_test, episodes=1, order=golden["order"][::-1])
    assert [e.category_id for e in reversed_order] == golden["order"][::-1]
    assert sorted(reversed_order) != sorted(first)  # one stream for all categories


def test_too_few_instances_are_named(split1_test: Dataset) -> None:
    with pytest.raises(
        DataError, match=r"category 10 has 100 usable instances, 1 shots and 100 queries need 101"
    ):
        draw_episodes(split1_test, queries=100)
    with pytest.raises(DataError, match="no category 5; it has"):
        draw_episodes(split1_test, order=[5])
