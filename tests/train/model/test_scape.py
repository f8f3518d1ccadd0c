# SPDX-License-Identifier: Apache-2.0
"""SCAPE against its released head and ResNet detector, part by part, with stand-in weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmmp_train.checkpoint import load_model
from fmmp_train.model.encoding import grid_code, order_code
from fmmp_train.model.heatmap import draw_heatmaps
from fmmp_train.model.scape import Scape
from tests.golden import load_npz
from tests.golden.cases import close, load_case
from tests.golden.scape import fill
from tests.golden.weights import state_of

pytestmark = pytest.mark.slow

POINTS = 1e-5  # float32 differs from float64 by 1.6e-6
FEATURES = 1e-4  # by 2.4e-5 after the last block


@pytest.fixture(scope="module")
def network() -> Scape:
    network = load_model(state_of("scape/parameters", fill))
    assert isinstance(network, Scape)
    return network


@pytest.mark.parametrize("name", ["one_shot", "two_shot"])
@torch.no_grad()
def test_reproduces_the_released_numbers(network: Scape, name: str) -> None:
    case = load_case(f"scape/{name}")
    golden, (keypoints, visible) = case.golden, case.annotation(network.config.inputs)
    heatmaps = draw_heatmaps(keypoints, visible, sigma=2, image_size=256)
    np.testing.assert_array_equal(heatmaps.shown.numpy(), golden["target_weight"][:, :-1] > 0)
    recorded = golden["support_heatmaps"]
    close(heatmaps.maps()[:, :, : recorded.shape[2]], recorded, 1e-6)
    for images, which in ((case.query, "query"), (case.support[:, 0], "support_first")):
        features = network.backbone(images)
        close(features[:, :8], golden[f"backbone_{which}"], FEATURES)
        close(network.projection(features)[:, :16], golden[f"projected_{which}"], FEATURES)
    state = network.support_state(case.support, keypoints, visible)
    np.testing.assert_array_equal(state.visible.numpy(), golden["support_mask"] > 0)
    close(state.tokens[..., :64], golden["gkp_input"], FEATURES)
    cells = network.read(case.query)
    gathered = network.gather(cells, state)
    close(gathered[..., :64], golden["gkp_output"], FEATURES)
    first = network.layers[0]
    gates = first.gates(first.norm(torch.cat((gathered, cells + network.cell_code), dim=1)))
    close(gates[:, :, :20], golden["gates_layer0"], FEATURES)
    for number, after in enumerate(network.refine(gathered, cells, state)):
        close(after[..., :32], golden[f"layer{number}"], FEATURES)
    close(network.locate(case.query, state).points, golden["predictions"], POINTS)
    for pair, (points, shown) in enumerate(zip(case.keypoints, case.visible, strict=True)):
        row = slice(pair, pair + 1)
        answer = network.predict(
            case.query[row], case.support[row], points[None], shown[None], [case.links[pair]]
        )
        close(answer[:, 0], golden["predictions"][:, pair, : points.shape[1]], POINTS)


def test_codes_are_those_of_the_released_tables() -> None:
    tables = load_npz("scape/encodings")
    for table, code in zip(
        sorted(tables.values(), key=np.size), (grid_code(8, 8, 256), order_code(100, 256)), strict=True
    ):
        close(code, table.reshape(code.shape), 1e-5)


def test_what_its_weights_cannot_do_is_refused() -> None:
    state = state_of("scape/parameters", lambda _, shape: np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"made for K = 100 keypoints; K = 70"):
        load_model(state, max_keypoints=70)
    with pytest.raises(ValueError, match="DINOv2 backbone"):
        load_model(state | {"encoder_sample.patch_embed.proj.weight": torch.zeros(1)})
