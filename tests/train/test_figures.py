# SPDX-License-Identifier: Apache-2.0
"""What the figures show is what the network did."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fmmp_runtime.media.image import read_image
from fmmp_runtime.pose import Method
from fmmp_train.checkpoint.files import save_model
from fmmp_train.cli.figures import main
from fmmp_train.data import find_annotations, read_annotations
from fmmp_train.evaluation.evaluate import Answer
from fmmp_train.evaluation.pairs import Pair, prepare
from fmmp_train.figures.attention import attention_figure, reads_of, record_reads
from fmmp_train.figures.crops import choose_pairs
from fmmp_train.figures.methods import methods_figure
from fmmp_train.figures.padding import _colours, padding_figure
from fmmp_train.model import Network
from fmmp_train.model.deform_attn import level_tensors, ms_deform_attn
from fmmp_train.model.fmmp.structure import DeformableAttention, FullStructure
from tests.train.recipes import tiny

SHAPES = ((2, 3), (4, 6))


@pytest.fixture(scope="module")
def pairs(data_folder: Path) -> list[Pair]:
    return choose_pairs(read_annotations(find_annotations(data_folder, "val")), (), 2, 0)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(replace(tiny().model, orientations=4)).eval()


@pytest.mark.parametrize("inner", [0, 2, 4], ids=["lite", "full, 2 inner heads", "full, 4 inner heads"])
def test_recorded_reads_give_the_output_of_the_attention(inner: int) -> None:
    """Sampling at the recorded places with the recorded weights is what the module does."""
    torch.manual_seed(0)
    heads, points, dim = 2, 3, 8
    lite = DeformableAttention(dim, heads, points, SHAPES)
    module = FullStructure(dim, heads, inner, points, SHAPES) if inner else lite
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    memory, query = torch.randn(2, 30, dim), torch.randn(2, 5, dim)
    around = torch.rand(2, 5, heads, 2)
    shapes, starts = level_tensors(SHAPES)
    with record_reads(module, shapes) as calls, torch.no_grad():
        expected = module(module.plan(query), around, memory)
    assert not module._forward_hooks
    [reads] = calls
    total = heads * inner or heads
    torch.testing.assert_close(reads.weights.sum(-1), torch.ones(2, 5))
    locations = reads.locations.view(2, 5, total, 2, points, 2)
    weights = reads.weights.view(2, 5, total, 2, points) * total

    def attend(part: DeformableAttention, of: slice) -> torch.Tensor:
        value = part.value_proj(memory).view(2, 30, inner or heads, -1)
        read = ms_deform_attn(value, shapes, starts, locations[:, :, of], weights[:, :, of])
        output: torch.Tensor = part.output_proj(read.flatten(2))
        return output

    with torch.no_grad():
        if isinstance(module, FullStructure):
            parts = (slice(start, start + inner) for start in (0, inner))
            first, second = (attend(part, of) for part, of in zip(module.heads, parts, strict=True))
            found = first + module.projector(second).relu()
        else:
            found = attend(module, slice(None))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)  # float32 sums of 12 terms below 10


def test_a_hook_is_removed_after_an_error(network: Network) -> None:
    module = network.query_miners[-1].structure
    with (
        pytest.raises(RuntimeError),
        record_reads(module, network.spatial_shapes),  # type: ignore[arg-type]  # a Module
    ):
        raise RuntimeError
    assert not module._forward_hooks  # type: ignore[attr-defined]


def test_attention_leaves_the_network_as_it_was(network: Network, pairs: list[Pair]) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    picture = attention_figure(network, pairs)
    assert picture.ndim == 3
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    with pytest.raises(ValueError, match=r"has keypoints 0 to \d+, no 99"):
        attention_figure(network, pairs, keypoint=99)


@pytest.mark.parametrize("method", ["zero", "mixup"])
def test_attention_is_of_the_padding_that_the_network_gets(pairs: list[Pair], method: Method) -> None:
    network = Network(replace(tiny().model, test_padding=method)).eval()
    seen: list[torch.Tensor] = []
    handle = network.position_code.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    attention_figure(network, pairs[:1])
    handle.remove()
    expected = prepare(pairs[:1], network.config.inputs).inputs["keypoints"]
    np.testing.assert_array_equal(seen[0].numpy(), expected)  # of the support, padded
    uniform = prepare(pairs[:1], replace(network.config.inputs, padding="uniform")).inputs["keypoints"]
    assert np.abs(expected - uniform).max() > 0.05  # the figure would show other points


def test_heads_share_reference_points_in_order() -> None:
    plan = FullStructure(4, 2, 2, 1, ((1, 1),)).plan(torch.zeros(1, 1, 4))
    plan = plan._replace(offsets=torch.zeros_like(plan.offsets))
    around = torch.tensor([[[[0.1, 0.2], [0.7, 0.9]]]])
    reads = reads_of(plan, around, torch.tensor([[1, 1]]))
    torch.testing.assert_close(reads.locations[0, 0, :, 0], torch.tensor([0.1, 0.1, 0.7, 0.7]))


def test_a_right_method_has_no_arrows(pairs: list[Pair]) -> None:
    def truth(asked: list[Pair]) -> list[Answer]:
        return [Answer(pair.query.keypoints_px) for pair in asked]

    picture = methods_figure(pairs, {"truth": truth})  # type: ignore[dict-item]  # a list is a sequence
    rows = picture.reshape(2, picture.shape[0] // 2, 3, picture.shape[1] // 3, 3)
    title = 30
    np.testing.assert_array_equal(rows[:, title:, 1], rows[:, title:, 2])  # annotated query and answer


def test_padded_points_are_mixed_of_their_ends() -> None:
    points = np.array([[0, 0], [1, 0], [0.25, 0], [0.75, 0]], np.float32)
    colours = _colours(points, np.array([[0, 1], [0, 3], [3, 2], [2, 1]]), 2)
    np.testing.assert_allclose(colours[2], 0.75 * colours[0] + 0.25 * colours[1])
    np.testing.assert_allclose(colours[3], 0.25 * colours[0] + 0.75 * colours[1])


@pytest.mark.parametrize("method", ["uniform", "mixup"])
def test_padding_adds_points_on_the_links(pairs: list[Pair], method: str) -> None:
    picture = padding_figure(pairs, (40, 70), method)  # type: ignore[arg-type]  # a literal
    columns = np.split(picture, 3, axis=1)
    assert (columns[0][30:] != columns[1][30:]).any()
    assert (columns[1][30:] != columns[2][30:]).any()
    with pytest.raises(ValueError, match="keypoints do not fit"):
        padding_figure(pairs, (3,), "uniform")


def test_commands(
    network: Network, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "tiny.safetensors"
    save_model(network, model)
    shared = ["--data", str(data_folder), "--rows", "1", "--categories", "2", "-o"]
    for command in (["padding"], ["methods", str(model)], ["attention", str(model), "--keypoint", "1"]):
        out = tmp_path / f"{command[0]}.png"
        assert main([*command, *shared, str(out)]) == 0
        assert read_image(out).shape[2] == 3
    for command, code in ((["methods"], 2), (["attention", str(tmp_path / "none.pth")], 1)):
        with pytest.raises(SystemExit) as left:
            main([*command, *shared, str(tmp_path / "x.png")])
        assert left.value.code == code
    assert "fmmp-figures: " in capsys.readouterr().err
