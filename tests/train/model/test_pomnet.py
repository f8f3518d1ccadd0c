# SPDX-License-Identifier: Apache-2.0
"""POMNet against its released implementation, part by part, with stand-in weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmmp_train.checkpoint import load_model
from fmmp_train.model.heatmap import decode_heatmaps, draw_heatmaps
from fmmp_train.model.pomnet import PomNet
from tests.golden.cases import close, load_case
from tests.golden.pomnet import fill
from tests.golden.weights import state_of

pytestmark = pytest.mark.slow

# Heat maps, whose standard deviation is 1.8: two float32 implementations differ by 1.7e-5.
HEAT = 1e-4
FEATURES = 1e-4  # of the same order


@pytest.fixture(scope="module")
def network() -> PomNet:
    """Of 17 slots, as many as are recorded: slots don't influence each other."""
    network = load_model(state_of("pomnet/parameters", fill), max_keypoints=17)
    assert isinstance(network, PomNet)
    return network


@pytest.mark.parametrize("name", ["one_shot", "two_shot"])
@torch.no_grad()
def test_reproduces_the_released_numbers(network: PomNet, name: str) -> None:
    case = load_case(f"pomnet/{name}")
    golden = case.golden
    keypoints, visible = case.annotation(network.config.inputs)
    heatmaps = draw_heatmaps(keypoints, visible, sigma=2, image_size=256)
    np.testing.assert_array_equal(heatmaps.shown.numpy(), golden["target_weight"][:, :-1, :17] > 0)
    close(heatmaps.maps()[:, :, :6], golden["support_heatmap"], 1e-6)
    support = network.support_backbone(case.support.flatten(0, 1))[:, :8]
    close(support.view(golden["support_c5"].shape), golden["support_c5"], FEATURES)
    close(network.query_backbone(case.query)[:, :8], golden["query_c5"], FEATURES)
    pooled, shown = network.pool(case.support, keypoints, visible)
    np.testing.assert_array_equal(shown.numpy(), golden["covisible"])
    close(pooled[..., :64], golden["support_pooled"], FEATURES)
    state = network.support_state(case.support, keypoints, visible)
    close(state.tokens, golden["support_token"], FEATURES)
    projected = network.query_projection(network.query_backbone(case.query))
    close(projected[:, :32], golden["query_projected"], FEATURES)
    cells, size = network.read_query(case.query)
    close(cells.mT[:, :64].view(golden["memory"].shape), golden["memory"], FEATURES)
    refined = network.refine_tokens(cells, state)
    close(torch.stack(refined)[..., :64], golden["token_layers"], FEATURES)
    close(refined[-1], golden["token_last"], FEATURES)
    related = network.relation_of(cells, refined[-1][:, :1], size)
    close(related[:, :32], golden["relation_first"], FEATURES)
    maps = network.relate(cells, refined[-1], size)
    close(maps, golden["heatmaps"], HEAT)
    points, peak = decode_heatmaps(maps)
    np.testing.assert_array_equal(points.numpy(), golden["final"])
    close(peak, golden["score"], HEAT)


@torch.no_grad()
def test_predicts_from_what_is_annotated(network: PomNet) -> None:
    """And with as few slots as there are keypoints, rounded up to a step."""
    case = load_case("pomnet/one_shot")
    assert [network.inputs_for(count).max_keypoints for count in (3, 8, 9, 17)] == [8, 8, 16, 17]
    pair = 1
    answer = network.predict(
        case.query[1:],
        case.support[1:],
        case.keypoints[pair][None],
        case.visible[pair][None],
        [case.links[pair]],
    )
    np.testing.assert_array_equal(answer[0, 0].numpy(), case.golden["final"][1, :10])


def test_decodes_as_mmpose_does() -> None:
    """A quarter of a cell to the larger neighbour, not at the border; nowhere without a positive peak."""
    maps = torch.full((4, 64, 64), -1.0)
    maps[0, 5, 7], maps[0, 5, 8], maps[0, 4, 7] = 2, 1, 0  # right of it larger, above larger
    maps[1, 1, 7] = maps[1, 1, 8] = 3  # the first of equals; y = 1 is no inner row
    maps[2, 63, 0] = 1
    points, peak = decode_heatmaps(maps)
    np.testing.assert_array_equal(points * 64, [[7.25, 4.75], [7, 1], [0, 63], [-1, -1]])
    assert peak.tolist() == [2, 3, 1, -1]
