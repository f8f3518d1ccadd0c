# SPDX-License-Identifier: Apache-2.0
"""What must hold for any network, trained or not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fmmp_runtime.pose import reference_index
from fmmp_train.model import ModelConfig, Network
from fmmp_train.model.fmmp.match import Match, Template
from fmmp_train.model.fmmp.orientation import turn_images, turn_keypoints
from tests.train.recipes import network_of

SIZE, COUNT = 64, 9
TINY = ModelConfig(
    backbone="test_resnet", dim=32, num_heads=4, num_layers=2, max_keypoints=COUNT, image_size=SIZE
)
CONFIGS = {
    "full": TINY,
    "lite": replace(TINY, structure="lite"),
    "match": replace(TINY, structure="lite", start="match"),
    "four orientations": replace(TINY, structure="lite", start="match", orientations=4),
    "support mined first": replace(TINY, support="stacked", structure="lite"),
    "support not mined": replace(TINY, support="none", links="none", structure="lite"),
    "all linked": replace(TINY, links="all", structure="lite"),
    "one layer, two heads, three points": replace(TINY, num_layers=1, num_heads=2, num_points=3),
}
# Float32 sums in another order (batched products): 1e-6 at unit scale; a leak moves points by 1e-3 and more.
SAME = 1e-5


def assert_same(found: Tensor, expected: Tensor) -> None:
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=SAME)


def draw(config: ModelConfig, *, pairs: int = 3, shots: int = 2, seed: int = 0) -> list[Tensor]:
    """Query, support, keypoints, visible and reference index of a chain of keypoints."""
    random = torch.Generator().manual_seed(seed)
    query = torch.randn(pairs, 3, SIZE, SIZE, generator=random)
    support = torch.randn(pairs, shots, 3, SIZE, SIZE, generator=random)
    keypoints = torch.rand(pairs, shots, COUNT, 2, generator=random)
    visible = torch.rand(pairs, shots, COUNT, generator=random) < 0.8
    chain = np.array([(i, i + 1) for i in range(COUNT - 1)])
    index = torch.from_numpy(reference_index(np.ones(COUNT, bool), chain, config.num_heads))
    return [query, support, keypoints, visible, index.expand(pairs, shots, -1, -1)]


@pytest.fixture(params=list(CONFIGS.values()), ids=list(CONFIGS))
def network(request: pytest.FixtureRequest) -> Network:
    config: ModelConfig = request.param
    return network_of(config)


def locate(network: Network, inputs: list[Tensor]) -> Tensor:
    with torch.no_grad():
        points: Tensor = network(*inputs)
    return points


def test_a_batch_gives_what_its_pairs_give_alone(network: Network) -> None:
    inputs = draw(network.config)
    together = locate(network, inputs)
    order = [2, 0, 1]
    assert_same(locate(network, [t[order] for t in inputs]), together[:, order])
    alone = [locate(network, [t[i : i + 1] for t in inputs])[:, 0] for i in range(3)]
    assert_same(torch.stack(alone, 1), together)
    assert (together[:, 0] - together[:, 1]).abs().max() > 1e-3  # the pairs do differ


def test_the_order_of_the_shots_does_not_matter(network: Network) -> None:
    query, support, keypoints, visible, index = draw(network.config, shots=3)
    shuffled = [tensor[:, [2, 0, 1]] for tensor in (support, keypoints, visible, index)]
    expected = locate(network, [query, support, keypoints, visible, index])
    assert_same(locate(network, [query, *shuffled]), expected)


def test_the_same_support_twice_is_that_support_once(network: Network) -> None:
    query, *rest = draw(network.config, shots=1)
    twice = locate(network, [query, *(torch.cat((t, t), dim=1) for t in rest)])
    assert_same(twice, locate(network, [query, *rest]))


@pytest.mark.parametrize("hidden", ["one shot", "all shots"])
def test_a_support_without_visible_keypoints_is_finite(network: Network, hidden: str) -> None:
    inputs = draw(network.config)
    inputs[3] = inputs[3].clone()
    inputs[3][:, 0 if hidden == "one shot" else slice(None)] = False
    network.train().requires_grad_(True)
    points = network(*inputs)
    points.sum().backward()
    assert points.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_a_hidden_keypoint_tells_the_others_nothing(network: Network) -> None:
    inputs = draw(network.config, shots=1)
    inputs[3][:], inputs[3][:, :, 4] = True, False
    inputs[4] = torch.from_numpy(  # as padding makes it: a hidden keypoint refers to itself alone
        reference_index(inputs[3][0, 0].numpy(), np.zeros((0, 2), int), network.config.num_heads)
    ).expand_as(inputs[4])
    moved = [tensor.clone() for tensor in inputs]
    moved[2][:, :, 4] = 0.9
    if network.config.support == "none":
        pytest.skip("no miner of the support, whose keys are masked")
    mined: list[Tensor] = []  # the query is not masked (as released): look at what the support's miner gives
    network.support_miners[0].register_forward_hook(lambda *call: mined.append(call[-1]))
    with torch.no_grad():
        network.support_state(*inputs[1:])
        network.support_state(*moved[1:])
    others = [k for k in range(COUNT) if k != 4]
    assert_same(mined[1][:, others], mined[0][:, others])


def test_points_start_at_the_match() -> None:
    torch.manual_seed(0)
    network = Network(CONFIGS["match"]).eval()
    with torch.no_grad():
        query, *support = draw(network.config)
        encoded = network.encode(network.backbone(query))
        located, found = network.refine(encoded, network.support_state(*support))
    assert found is not None
    for layer in located.points:  # float32 logit and back, 1e-7; clamped 1e-4 from the border
        np.testing.assert_allclose(layer, found.points, rtol=0, atol=2e-4)


def test_a_match_finds_a_shifted_pattern_with_the_help_of_its_neighbours() -> None:
    cells, count = 16, 6
    descriptors = torch.nn.functional.normalize(torch.randn(1, cells, cells, 32), dim=-1)
    place = torch.tensor([(3, 3), (5, 4), (8, 3), (9, 7), (4, 8), (6, 10)])
    shift = torch.tensor([2, 3])
    found_at = place + shift
    looked_for = descriptors[0, found_at[:, 1], found_at[:, 0]].clone()
    looked_for[2] = -looked_for[2]  # this one looks like nothing in the query
    template = Template(
        looked_for[None], (place[None] + 0.5) / cells, torch.ones(1, count), torch.ones(1, count, count)
    )
    points = Match()(template, descriptors).points[0]
    error = (points - (found_at + 0.5) / cells).norm(dim=-1) * cells
    assert error[[0, 1, 3, 4, 5]].max() < 0.5  # cells; a belief narrower than its cell
    assert error[2] < 1.5  # without neighbours it would stay 3.6 cells away, where the support had it


def test_keypoints_turn_with_their_image() -> None:
    image = torch.zeros(1, 5, 7, 7)
    pixels = torch.tensor([(2, 1), (6, 3), (0, 0), (3, 3), (5, 6)])
    for channel, (x, y) in enumerate(pixels):
        image[0, channel, y, x] = 1
    images = turn_images(image, 4)[0]
    keypoints = turn_keypoints(pixels[None] / 7, 4, 7)[0] * 7
    for view in range(4):
        for channel in range(5):
            x, y = keypoints[view, channel].round().int().tolist()
            assert images[view, channel, y, x] == 1


def test_the_orientation_that_fits_is_used() -> None:
    torch.manual_seed(1)
    upright = Network(CONFIGS["match"]).eval()
    turning = Network(CONFIGS["four orientations"]).eval()
    turning.load_state_dict(upright.state_dict())
    query, support, keypoints, visible, index = draw(upright.config, pairs=1, shots=1)
    visible = torch.ones_like(visible)
    query = support[:, 0]
    for quarter in range(4):
        turned = support.rot90(quarter, (-2, -1))
        points = turn_keypoints(keypoints, 4, SIZE)[:, quarter]
        expected = locate(upright, [query, support, keypoints, visible, index])
        found = locate(turning, [query, turned, points, visible, index])
        assert_same(found, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dim": 30}, "multiple of 4"),
        ({"num_layers": 0}, "num_layers must be 1 to 64"),
        ({"image_size": 100}, "multiple of 32"),
        ({"structure": "half"}, "structure must be one of"),
        ({"orientations": 4}, "need start"),
        ({"start": "match", "orientations": 3}, "orientations must be one of"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TINY, **change)  # type: ignore[arg-type]
