# SPDX-License-Identifier: Apache-2.0
"""ESCAPE and its baseline against the released implementation, part by part, with stand-in weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fmmp_train.checkpoint import load_model
from fmmp_train.model.escape import Escape
from fmmp_train.model.escape.network import State, pool_maps
from fmmp_train.model.heatmap import draw_heatmaps
from tests.golden.cases import Case, close, load_case
from tests.golden.escape import fill
from tests.golden.weights import state_of

pytestmark = pytest.mark.slow

# Sine codes of positions up to 4095 differ by the order of float32 operations: 4.9e-5 in a prototype, 3.7e-5
# in a pooled map and 1.3e-5 in the matching were seen between two implementations. Ours: 9e-6 in a prototype.
FEATURES, MATCHING = 1e-4, 5e-5
EMBEDDED = 1e-3  # before the last norm: values reach 10


@pytest.fixture(scope="module")
def network() -> Escape:
    network = load_model(state_of("escape/parameters", fill))
    assert isinstance(network, Escape)
    assert network.config.super_keypoints == 400
    return network


@pytest.mark.parametrize("name", ["one_shot", "two_shot"])
@torch.no_grad()
def test_reproduces_the_released_numbers(network: Escape, name: str) -> None:
    case = load_case(f"escape/{name}")
    golden, (keypoints, visible) = case.golden, case.annotation(network.config.inputs)
    shots, count = keypoints.shape[1], golden["support_heatmaps"].shape[2]
    heatmaps = draw_heatmaps(keypoints, visible, sigma=2, image_size=256)
    np.testing.assert_array_equal(heatmaps.shown.numpy(), golden["target_weight"][:, :-1])
    close(heatmaps.maps()[:, :, :count], golden["support_heatmaps"], 1e-6)

    first = case.support[:, 0]
    close(network.features(case.query)[:, :4, ::2, ::2], golden["feature_query"], FEATURES)
    close(network.features(first)[:, :4, ::2, ::2], golden["feature_support_first"], FEATURES)
    close(network.matcher_features(first)[:, :4, ::2, ::2], golden["match_feature_first"], FEATURES)
    close(network.evidence(case.support, heatmaps)[..., :64], golden["evidence"], FEATURES)

    seen = watch(network)
    matching = network.matching(case.support, heatmaps)
    seen["x"], seen["y"] = seen.pop("both")
    of_first = {key: value[::shots] if value.ndim > 2 else value for key, value in seen.items()}
    close(of_first["embed_x"][..., :32], golden["embed_keypoints_first"], EMBEDDED)
    close(of_first["embed_y"][:40, :32], golden["embed_super"][0], EMBEDDED)
    close(of_first["inner_x"][..., :32], golden["layer0_ff_x"], EMBEDDED)
    close(of_first["cross_x"][..., :32], golden["layer0_cross_x"], EMBEDDED)
    close(of_first["x"][..., :32], golden["gat_x_first"], EMBEDDED)
    close(of_first["y"][:, :40, :32], golden["gat_y_first"], EMBEDDED)
    present = golden["target_weight"][:, :-1].any(1)[:, :count]
    for pair, rows in enumerate(present):
        close(
            matching[pair, :count][torch.from_numpy(rows)], golden["matching"][pair, :count][rows], MATCHING
        )
        close(matching[pair, -1], golden["matching"][pair, -1], MATCHING)

    state = network.support_state(case.support, keypoints, visible)
    close(state.prototypes[..., :64], golden["prototypes"], FEATURES)
    maps = network.heatmaps(case.query, state)
    close(maps[:, :4], golden["heatmaps_raw"], FEATURES)
    close(pool_maps(maps)[:, :8], golden["heatmaps_pooled"], FEATURES)
    check_answer(network, case, state, "predictions", "scores")
    check_answer(
        network, case, State(network.evidence(case.support, heatmaps)), "mle_predictions", "mle_scores"
    )


def watch(network: Escape) -> dict[str, Any]:
    """What parts of the matcher give, of all shots, when it runs next."""
    seen: dict[str, Any] = {}
    layer, matcher = network.matcher.layers[0], network.matcher
    parts = {
        "embed_x": matcher.embed_x,
        "embed_y": matcher.embed_y,
        "inner_x": layer.inner_x,
        "cross_x": layer.cross_x,
        "both": matcher,
    }
    for name, part in parts.items():

        def keep(_module: object, _inputs: object, output: object, name: str = name) -> None:
            seen.setdefault(name, output)

        part.register_forward_hook(keep)
    return seen


def check_answer(network: Escape, case: Case, state: State, points: str, scores: str) -> None:
    """Points, of which no margin is small enough to flip; the peak is the evidence."""
    located = network.locate(case.query, state)
    np.testing.assert_array_equal(located.points.numpy(), case.golden[points].reshape(located.points.shape))
    close(-located.evidence[..., 0], case.golden[scores], FEATURES)


@torch.no_grad()
def test_predicts_from_what_is_annotated(network: Escape) -> None:
    case = load_case("escape/one_shot")
    answer = network.predict(
        case.query[1:], case.support[1:], case.keypoints[1][None], case.visible[1][None], [case.links[1]]
    )
    np.testing.assert_array_equal(answer[0, 0].numpy(), case.golden["predictions"][0, 1, :10])


@torch.no_grad()
def test_the_baseline_is_the_evidence_alone(network: Escape) -> None:
    baseline = load_model(state_of("escape/parameters_baseline", fill))
    assert isinstance(baseline, Escape)
    assert baseline.config == replace(network.config, super_keypoints=0)
    case = load_case("escape/two_shot")
    state = baseline.support_state(case.support, *case.annotation(baseline.config.inputs))
    check_answer(baseline, case, state, "mle_predictions", "mle_scores")
