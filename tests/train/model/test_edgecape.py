# SPDX-License-Identifier: Apache-2.0
"""EdgeCape against its released implementation, part by part, with stand-in weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmmp_train.checkpoint import load_model
from fmmp_train.model.edgecape import EdgeCape
from fmmp_train.model.heatmap import draw_heatmaps
from tests.golden.cases import close, load_case
from tests.golden.edgecape import fill
from tests.golden.weights import state_of

pytestmark = pytest.mark.slow

# float32 differs from float64 by 1.7e-6 in points and by 1e-5 in the sums over all cells.
POINTS, SPREAD = 1e-5, 5e-5
FEATURES = 1e-4
SIMILARITY = 5e-4  # values reach 25
LINKS = 1e-6


@pytest.fixture(scope="module")
def network() -> EdgeCape:
    network = load_model(state_of("edgecape/parameters", fill))
    assert isinstance(network, EdgeCape)
    return network


@pytest.mark.parametrize("name", ["one_shot", "two_shot"])
@torch.no_grad()
def test_reproduces_the_released_numbers(network: EdgeCape, name: str) -> None:
    case = load_case(f"edgecape/{name}")
    golden, annotation = case.golden, case.annotation(network.config.inputs)
    keypoints, visible, adjacency = annotation
    heatmaps = draw_heatmaps(keypoints, visible, sigma=1, image_size=224)
    np.testing.assert_array_equal(heatmaps.shown.numpy(), golden["target_weight"][:, :-1])
    recorded = golden["support_heatmaps"]
    close(heatmaps.maps()[:, :, : recorded.shape[2]], recorded, 1e-6)
    query = network.features(case.query)
    close(query[:, :16], golden["feature_query"], FEATURES)
    close(network.features(case.support[:, 0])[:, :16], golden["feature_support_first"], FEATURES)

    features = network.features(case.support.flatten(0, 1))
    state = network.describe(features, keypoints, visible)
    np.testing.assert_array_equal(state.visible.numpy(), golden["support_mask"])
    close(state.tokens[..., :32], golden["support_tokens"], FEATURES)
    linked = network.linked(adjacency, state)
    refined = network.skeleton.refine(state.tokens, features, linked, state.visible, network.cell_code)
    close(refined[:, 0, :, :32], golden["skeleton_refined_last_shot"], FEATURES)  # by its numbers, the first
    state = network.support_state(case.support, *annotation)
    _, share, steps = state.links
    close(share.mT[:, :40, :40], golden["adjacency"], LINKS)
    close(steps.permute(3, 0, 1, 2)[:, :, :16, :16], golden["hops"], LINKS)

    proposals, decoded, (cells, tokens) = network.refine(query, state)
    close(cells[:, ::4, :32], golden["encoder_cells"], FEATURES)
    close(tokens[..., :32], golden["encoder_keypoints"], FEATURES)
    close(proposals.similarity[:, :12].reshape(golden["similarity"].shape), golden["similarity"], SIMILARITY)
    close(proposals.spread, golden["proposals_soft"], SPREAD)
    close(proposals.points, golden["proposals"], POINTS)
    for number, states in enumerate(decoded.states):
        close(states[..., :32], golden[f"decoder_layer{number}"], FEATURES)
    close(decoded.points, golden["predictions"], POINTS)
    for pair, (points, shown) in enumerate(zip(case.keypoints, case.visible, strict=True)):
        row = slice(pair, pair + 1)
        answer = network.predict(
            case.query[row], case.support[row], points[None], shown[None], [case.links[pair]]
        )
        close(answer[:, 0], golden["predictions"][:, pair, : points.shape[1]], POINTS)
