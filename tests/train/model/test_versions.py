# SPDX-License-Identifier: Apache-2.0
"""The versions of the network that the paper compares in its Tables 3 and 4."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fmmp_runtime.pose import pad_keypoints, reference_index
from fmmp_train.checkpoint.files import load_model
from fmmp_train.evaluation.report.paper import VERSIONS
from fmmp_train.model import ModelConfig, Network
from fmmp_train.model.fmmp.structure import rewire
from fmmp_train.training.inputs import Locations
from fmmp_train.training.presets import PRESETS, LossConfig, change, released
from fmmp_train.training.train import MODEL_FILE, start
from fmmp_train.training.variants import VARIANTS
from tests.train.recipes import network_of, tiny

COUNT, HEADS = 6, 4
BASE = tiny(
    model=replace(tiny().model, start="center", max_keypoints=40), loss=LossConfig(), steps=1, average=0.0
)


@pytest.mark.parametrize("heads", [1, 4, 9])
def test_all_link_is_a_skeleton_of_all_pairs(heads: int) -> None:
    visible = np.array([True, False, True, True, False, True])
    pairs = np.array(list(combinations(range(COUNT), 2)))
    expected = reference_index(visible, pairs, heads)
    own = torch.zeros(1, 1, COUNT, heads, dtype=torch.int64)
    found = rewire(own, torch.from_numpy(visible)[None, None], "all")
    assert found[0, 0].tolist() == expected.tolist()


def test_none_link_is_a_skeleton_without_links() -> None:
    visible = np.ones(COUNT, bool)
    expected = reference_index(visible, np.zeros((0, 2), np.int64), HEADS)
    own = torch.zeros(1, 1, COUNT, HEADS, dtype=torch.int64)
    assert rewire(own, torch.from_numpy(visible)[None, None], "none")[0, 0].tolist() == expected.tolist()


def test_rows_of_the_tables_are_what_the_paper_says() -> None:
    """Section 4.4: what is appended from row to row, and what each version leaves out."""
    rows = [PRESETS[f"table3-{number}"]() for number in range(1, 6)]
    assert [row.model.support for row in rows] == ["none"] + ["recurrent"] * 4
    assert [row.model.links for row in rows] == ["none"] * 2 + ["category"] * 3
    assert [row.examples.padding for row in rows] == ["zero"] * 3 + ["mixup"] * 2
    assert [row.model.test_padding for row in rows] == ["zero"] * 3 + ["uniform"] * 2
    assert [row.loss.beta for row in rows] == [0] * 4 + [0.5]
    fledged = PRESETS["table4-fledged"]()
    assert rows[-1] == fledged == released()
    changed: dict[str, dict[str, Any]] = {
        "s3q3": {"support": "stacked"},
        "alllink": {"links": "all"},
        "nonelink": {"links": "none"},
        "mixuptest": {"test_padding": "mixup"},
        "zerotest": {"test_padding": "zero"},
    }
    for name, fields in changed.items():
        assert PRESETS[f"table4-{name}"]() == replace(fledged, model=replace(fledged.model, **fields)), name
    assert VERSIONS.keys() <= VARIANTS.keys()


@pytest.fixture(scope="module")
def train_folder(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing to validate on, which would take longer than the training."""
    folder = tmp_path_factory.mktemp("train")
    (folder / "annotations").mkdir()
    (folder / "annotations" / "train.json").symlink_to(data_folder / "annotations" / "train.json")
    (folder / "images").symlink_to(data_folder / "images")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_version_trains(name: str, train_folder: Path, tmp_path: Path) -> None:
    recipe = change(replace(BASE, mixture=replace(BASE.mixture, photographs=1, self_pairs=0)), name)
    if recipe.examples.shots > 1:  # two instances of a category are no five shots
        recipe = replace(recipe, examples=replace(recipe.examples, shots=2))
    assert start(recipe, Locations(data=str(train_folder)), tmp_path, device="cpu").is_finished
    assert load_model(tmp_path / MODEL_FILE).config == recipe.model


def question(config: ModelConfig) -> list[Tensor]:
    rng = torch.Generator().manual_seed(0)
    size = config.image_size
    keypoints, visible, links = pad_keypoints(
        torch.rand(5, 2, generator=rng), [True] * 5, [[i, i + 1] for i in range(4)], config.max_keypoints
    )
    index = reference_index(visible, links, config.num_heads)
    return [
        torch.randn(1, 3, size, size, generator=rng),
        torch.randn(1, 1, 3, size, size, generator=rng),
        *(torch.from_numpy(array)[None, None] for array in (keypoints, visible, index)),
    ]


@pytest.mark.parametrize("name", ["table3-1", "table4-s3q3", "table4-alllink", "table4-nonelink"])
def test_a_version_answers_differently_with_the_same_weights(name: str) -> None:
    fledged = network_of(BASE.model)
    version = Network(change(BASE, name).model)
    version.load_state_dict(fledged.state_dict(), strict=name != "table3-1")  # which has no support miners
    with torch.no_grad():
        one, other = (network.eval()(*question(BASE.model)) for network in (fledged, version))
    assert (one[-1] - other[-1]).abs().max() > 1e-4


def test_stacked_layers_read_the_support_before_the_query_is_known() -> None:
    version = network_of(change(BASE, "table4-s3q3").model)
    query, *support = question(BASE.model)
    with torch.no_grad():
        state = version.support_state(*support)
        assert state.shots is None  # no later layer looks at the support again
        points = version.locate(query, state).points
        for miner in version.support_miners:  # all of them were needed for that
            saved = miner.feed_forward.norm.bias.clone()
            miner.feed_forward.norm.bias.add_(1)
            changed = version.locate(query, version.support_state(*support)).points
            assert (changed - points).abs().max() > 1e-5
            miner.feed_forward.norm.bias.copy_(saved)
