# SPDX-License-Identifier: Apache-2.0
"""The packed network gives what the released one gives, in torch and as graphs, layer by layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fmmp_export.export import build_graphs
from fmmp_export.graph.operator import FMMP
from fmmp_export.graph.parts import flatten_state, unflatten_state
from fmmp_export.graph.projected import PROJECTED
from fmmp_export.graph.repack import repack
from fmmp_export.graph.writer import write
from fmmp_runtime.bundle.specs import Target
from fmmp_runtime.pose import reference_index
from fmmp_train.checkpoint.files import load_model
from fmmp_train.model import ModelConfig, Network
from tests.golden import load_npz
from tests.golden.weights import released_state
from tests.plugins.cpu.session import session

LAST = "6.weight"  # of a point head: the step in logits
TARGETS: tuple[Target, ...] = ("cpu", "gpu")
GOLDEN = 1e-4  # of the crop, 0.026 px: as for the network itself, which is 2.7e-5 away
# These weights move points by hundredths of the crop, another order of the sums by 1e-6.
SAME = 1e-5
SMALL = ModelConfig(
    backbone="test_resnet", dim=32, num_heads=4, num_points=2, num_layers=3, max_keypoints=35, image_size=64
)
CONFIGS = {
    "full": SMALL,
    "lite": replace(SMALL, structure="lite"),
    "full, K=140": replace(SMALL, max_keypoints=140),
    "one head": replace(SMALL, num_heads=1),
    "two heads of eight": replace(SMALL, num_heads=2, inner_heads=8),
    "one layer": replace(SMALL, num_layers=1),
    "match": replace(SMALL, structure="lite", start="match", orientations=4, max_keypoints=70),
}


def network_of(config: ModelConfig) -> Network:
    torch.manual_seed(0)
    network = Network(config).eval()
    for name, parameter in network.named_parameters():
        if not name.startswith("backbone") and parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1 if name.endswith(LAST) else config.dim**-0.5)
    return network


def draw(config: ModelConfig, shots: int, pairs: int = 2) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(shots)
    size, count = config.image_size, config.max_keypoints
    chain = np.array([(i, i + 1) for i in range(count - 1)])
    index = torch.from_numpy(reference_index(np.ones(count, bool), chain, config.num_heads))
    return [
        torch.randn(pairs, 3, size, size, generator=random),
        torch.randn(pairs, shots, 3, size, size, generator=random),
        torch.rand(pairs, shots, count, 2, generator=random),
        torch.rand(pairs, shots, count, generator=random) < 0.8,
        index.expand(pairs, shots, -1, -1),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shots", [1, 3, 5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@torch.inference_mode()
def test_packing_moves_no_point(config: ModelConfig, shots: int, target: Target) -> None:
    network = network_of(config)
    inputs = draw(config, shots)
    expected = network(*inputs)
    assert (expected[-1] - expected[-1].mean(1, keepdim=True)).abs().max() > 0.01
    np.testing.assert_allclose(repack(network, target)(*inputs), expected, rtol=0, atol=SAME)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one_shot", "two_shot", "k35_mixup"])
@pytest.mark.parametrize("target", TARGETS)
def test_graphs_give_the_released_numbers(
    target: Target, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = load_npz(name)
    pairs, images, count = case["points"].shape[:3]
    folder = tmp_path_factory.mktemp("graphs")
    models = build_graphs(
        load_model(released_state(), max_keypoints=count), precision="fp32", shots=images - 1, target=target
    )
    write(models, folder)
    query = models["query"].graph
    assert query.num_nodes() < 700
    calls = sum(node.op_type in (FMMP.op_type, PROJECTED) for node in query)
    assert calls == 6  # five of the layers, and what lies at the answers, for the presence
    sessions = {graph: session(str(folder / f"{graph}.onnx")) for graph in models}
    for pair in range(pairs):
        rows = slice(pair, pair + 1)
        support = {
            "support": case["images"][rows, :-1],
            "keypoints": case["points"][rows, :-1],
            "visible": case["visible"][rows, :-1],
            "reference_index": case["reference_index"][rows, :-1].astype(np.int64),
        }
        frame = {"query": case["images"][rows, -1]}
        outputs = [value.name for value in sessions["support"].get_outputs()]
        state = dict(zip(outputs, sessions["support"].run(None, support), strict=True))
        expected = case["predictions"][:, rows]
        for graph, feed in (("pair", frame | support), ("query", frame | state)):
            (points,) = sessions[graph].run(["points"], feed)
            np.testing.assert_allclose(points, expected, rtol=0, atol=GOLDEN, err_msg=graph)


def test_a_state_keeps_its_form() -> None:
    network = repack(network_of(CONFIGS["full"]), "gpu")
    with torch.no_grad():
        state = network.support_state(*draw(CONFIGS["full"], 2)[1:])
    named = flatten_state(state)
    assert {"state_shots_memory_0", "state_shots_memory_1", "state_first_plan_offsets"} <= set(named)
    again = unflatten_state(iter(named.values()), state)
    assert type(again) is type(state)
    for name, tensor in flatten_state(again).items():
        assert tensor is named[name]


def test_the_network_itself_is_left_alone() -> None:
    network = network_of(CONFIGS["full"])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    repack(network, "cpu")
    assert network.state_dict().keys() == before.keys()
    assert all((tensor == before[name]).all() for name, tensor in network.state_dict().items())


def test_another_target_is_refused() -> None:
    with pytest.raises(ValueError, match="one of cpu, gpu, got 'tpu'"):
        repack(network_of(CONFIGS["one layer"]), "tpu")  # type: ignore[arg-type]
