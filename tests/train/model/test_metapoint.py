# SPDX-License-Identifier: Apache-2.0
"""MetaPoint against its released modules, part by part, with stand-in weights and their stray dropout off."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmmp_train.checkpoint import load_model
from fmmp_train.model.heatmap import draw_heatmaps
from fmmp_train.model.images import MEAN, STD
from fmmp_train.model.metapoint import MetaPoint
from fmmp_train.model.metapoint.assignment import assign
from tests.golden import load_npz
from tests.golden.cases import close, load_case
from tests.golden.metapoint import fill
from tests.golden.weights import state_of

pytestmark = pytest.mark.slow

# The decoders magnify rounding: float32 and float64 differ by 2.5e-4, two float32 implementations by 5.5e-4.
# In float64 the numbers agree to 2e-10, codes, grid and normalised images having been made in float32 first.
SINGLE, DOUBLE = 1e-3, 1e-7
FEATURES = 5e-3  # of embeddings, by the same factor


@pytest.fixture(scope="module")
def network() -> MetaPoint:
    network = load_model(state_of("metapoint/parameters", fill))
    assert isinstance(network, MetaPoint)
    return network


@pytest.mark.parametrize("name", ["one_shot", "two_shot"])
@torch.no_grad()
def test_reproduces_the_released_numbers(network: MetaPoint, name: str) -> None:
    case = load_case(f"metapoint/{name}")
    golden, (keypoints, visible) = case.golden, case.annotation(network.config.inputs)
    shots = keypoints.shape[:2]
    heatmaps = draw_heatmaps(keypoints, visible, sigma=2, image_size=256)
    np.testing.assert_array_equal(heatmaps.shown.numpy(), golden["target_weight"][:, :-1] > 0)
    close(heatmaps.maps()[:, :, :6], golden["support_heatmap"], 1e-6)
    maps, query = network.maps(case.support.flatten(0, 1)), network.maps(case.query)
    for level, side in enumerate((8, 16, 32)):
        every = 4 if side == 32 else 1
        own = torch.cat((maps[level].view(*shots, *maps[level].shape[1:]), query[level][:, None]), dim=1)
        close(own[:, :, :8, ::every, ::every], golden[f"level_{side}x{side}"], 1e-4)
    meta = network.find_meta_points(maps)
    close(
        meta.moved.points.movedim(0, 1).reshape(golden["meta_points_support"].shape),
        golden["meta_points_support"],
        SINGLE,
    )
    close(meta.probability.view(golden["meta_visible_support"].shape), golden["meta_visible_support"], SINGLE)
    close(
        meta.moved.states[-1][..., :32].reshape(golden["meta_embed_support"].shape),
        golden["meta_embed_support"],
        FEATURES,
    )
    features, shown = network.describe(maps[0], keypoints, visible)
    close(features, golden["support_feature_per_shot"], 1e-4)

    cost = network.cost(meta, keypoints, shown)
    assignment = assign(cost)
    total = cost.gather(2, assignment[..., None]).sum((1, 2))
    close(total, golden["assignment_cost"], 1e-4)
    covisible = golden["covisible"]
    np.testing.assert_array_equal(shown.all(1).numpy(), covisible)
    np.testing.assert_array_equal(assignment.numpy()[covisible], golden["assignment"][covisible])

    refined = network.refine(query, network.remember(features, shown, meta, assignment))
    close(refined.meta.moved.points.movedim(0, 1), golden["meta_points_query"], SINGLE)
    close(refined.meta.probability, golden["meta_visible_query"], SINGLE)
    close(refined.meta.moved.states[0][..., :32], golden["meta_embed_layer0_query"], FEATURES)
    close(refined.meta.moved.states[-1][..., :32], golden["meta_embed_query"], FEATURES)
    close(refined.start, golden["initial_points"], SINGLE)
    close(refined.enhanced, golden["support_feature_enhanced"], FEATURES)
    close(refined.fused, golden["fused"], FEATURES)
    close(refined.moved.states[0][..., :64], golden["refine_embed_layer0"], FEATURES)
    last = refined.moved.states[-1] * shown.all(1)[..., None]
    close(last, golden["refine_embed_last"], FEATURES)
    close(refined.moved.points, golden["predictions"], SINGLE)


@torch.no_grad()
def test_in_double_precision_the_numbers_are_the_same() -> None:
    """Images normalised as torchvision does it: the decoders magnify the last bit of an image to 2e-5."""
    network = load_model(state_of("metapoint/parameters", fill)).double()
    assert isinstance(network, MetaPoint)
    case = load_case("metapoint/two_shot")
    pixels = torch.from_numpy(load_npz("two_shot")["images"]).movedim(-1, -3) / 255
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    images = ((pixels - mean) / std).double()
    keypoints, visible = case.annotation(network.config.inputs)
    state = network.support_state(images[:, :-1], keypoints.double(), visible)
    refined = network.refine(network.maps(images[:, -1]), state)
    close(refined.moved.points, case.golden["predictions_float64"], DOUBLE)


@torch.no_grad()
def test_predicts_from_what_is_annotated(network: MetaPoint) -> None:
    case = load_case("metapoint/one_shot")
    for pair, (points, shown) in enumerate(zip(case.keypoints, case.visible, strict=True)):
        row = slice(pair, pair + 1)
        answer = network.predict(
            case.query[row], case.support[row], points[None], shown[None], [case.links[pair]]
        )
        close(answer[-1, 0], case.golden["final"][pair, : points.shape[1]], SINGLE)


def test_more_keypoints_than_meta_points_are_refused() -> None:
    with pytest.raises(ValueError, match=r"max_keypoints \(101\) can be 100 at most"):
        load_model(
            state_of("metapoint/parameters", lambda _, shape: np.zeros(shape, np.float32)), max_keypoints=101
        )
