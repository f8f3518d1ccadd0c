# SPDX-License-Identifier: Apache-2.0
"""The template search against the same written as loops over keypoints and cells, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fmmp_train.model import ModelConfig, Network
from fmmp_train.model.fmmp.match import plain_descriptor
from fmmp_train.model.fmmp.search import MIRRORED, OUTSIDE, SLACK, ZOOMS, Search, Sought

CONFIG = ModelConfig(
    backbone="test_efficientnet", dim=32, num_heads=4, num_layers=1, max_keypoints=5, image_size=64
)
SIDES = [160, 112, 80, 56, 40, 32, 24]  # of the canvas at each level, pixels


@pytest.fixture(scope="module", params=["match", "center"])
def search(request: pytest.FixtureRequest) -> Search:
    torch.manual_seed(0)
    return Search(Network(ModelConfig(**{**vars(CONFIG), "start": request.param}))).eval()


def naive(
    cosines: list[NDArray[np.float64]], extent: tuple[float, float], offset: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Fit (n, n) of each level for one view: cosines (K, n, n), offsets (K, 2) in whole cells."""
    inside = []
    for cosine in cosines:
        n = cosine.shape[-1]
        high, wide = (np.array([(i + 0.5) / n < side for i in range(n)]) for side in extent)
        inside.append(high[:, None] & wide[None])
    fits = [np.zeros((cosine.shape[-1], cosine.shape[-1])) for cosine in cosines]
    for k in range(len(offset)):
        seen = np.concatenate([cosine[k][mask] for cosine, mask in zip(cosines, inside, strict=True)])
        floor = seen.mean() - OUTSIDE
        for cosine, mask, fit in zip(cosines, inside, fits, strict=True):
            n = fit.shape[0]
            for y, x in np.ndindex(n, n):
                row, column = y + int(offset[k, 1]), x + int(offset[k, 0])
                near = [floor]
                if 0 <= row < n and 0 <= column < n:  # what lies outside of the canvas has no cells around it
                    rows = range(max(row - SLACK, 0), min(row + SLACK + 1, n))
                    columns = range(max(column - SLACK, 0), min(column + SLACK + 1, n))
                    cells = [(i, j) for i in rows for j in columns]
                    near = [cosine[k, i, j] if mask[i, j] else floor for i, j in cells]
                fit[y, x] += max(near) / len(offset)
    return fits


@torch.inference_mode()
def test_fits_are_those_of_loops_over_keypoints_and_cells(search: Search) -> None:
    rng = np.random.default_rng(0)
    assert search.sides == SIDES
    frame = torch.from_numpy(rng.normal(size=(1, 3, 160, 160)).astype(np.float32))
    channels = search._describe(frame[..., :64, :64]).shape[-1]
    views, count, extent = len(MIRRORED), 3, (0.6, 1.0)
    descriptor = rng.normal(size=(1, views, count, channels))
    descriptor /= np.linalg.norm(descriptor, axis=-1, keepdims=True)
    offset = rng.uniform(-2.4, 2.4, (1, views, count, 2))
    sought = Sought(
        torch.from_numpy(descriptor).float(),
        torch.from_numpy(offset).float(),
        torch.full((1, views, count), 1 / count),
    )
    found = search(frame, torch.tensor([extent]), sought)
    levels = search._levels(frame)
    assert [level.shape[-1] for level in levels] == SIDES
    maps = [search._describe(level)[0].double().numpy() for level in levels]
    for view in range(views):
        cosines = [np.einsum("kc,hwc->khw", descriptor[0, view], each) for each in maps]
        for number, zoom in enumerate(ZOOMS):
            expected = naive(cosines, extent, (offset[0, view] * zoom).round())
            for ours, theirs in zip(found[number :: len(ZOOMS)], expected, strict=True):
                # float32 cosines of unit vectors, means of at most 900 of them
                np.testing.assert_allclose(ours[0, view], theirs, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_an_object_cut_from_the_frame_is_found_at_its_place(search: Search) -> None:
    rng = np.random.default_rng(1)
    crop = torch.from_numpy(rng.normal(size=(1, 3, 64, 64)).astype(np.float32))
    frame = torch.zeros(1, 3, 160, 160)
    frame[..., 64:128, 64:128] = crop  # a box of 51.2 pixels around (96, 96): level 2, of 80 pixels
    keypoints = torch.from_numpy(rng.uniform(0.15, 0.85, (1, 1, 5, 2)).astype(np.float32))
    sought = search.look_at(crop[:, None], keypoints, torch.ones(1, 1, 5, dtype=torch.bool))
    fits = search(frame, torch.ones(1, 2), sought)
    level = 2 * len(ZOOMS)
    view, y, x = np.unravel_index(int(fits[level][0].argmax()), fits[level].shape[1:])
    assert view == 0
    cell = 160 / fits[level].shape[-1]
    assert abs((x + 0.5) * cell - 96) <= cell
    assert abs((y + 0.5) * cell - 96) <= cell
    assert search.box_sides[level] * 160 == pytest.approx(51.2)


def test_what_no_support_shows_has_no_weight(search: Search) -> None:
    visible = torch.tensor([[[True, False, True, False, False]]])
    with torch.inference_mode():
        sought = search.look_at(torch.randn(1, 1, 3, 64, 64), torch.rand(1, 1, 5, 2), visible)
    assert sought.weight[0, 0].tolist() == [0.5, 0, 0.5, 0, 0]


def test_the_plain_descriptor_is_the_learned_one_s_first_part() -> None:
    network = Network(ModelConfig(**{**vars(CONFIG), "start": "match"})).eval()
    with torch.inference_mode():
        features = network.backbone(torch.randn(1, 3, 64, 64))
        plain = plain_descriptor(features)
        assert torch.equal(network.descriptor(features)[..., : plain.shape[-1]], plain)
