# SPDX-License-Identifier: Apache-2.0
"""Means and intervals of a report against loops."""

import numpy as np
import pytest

from fmmp_train.evaluation.bootstrap import MEASURES, summarise
from fmmp_train.evaluation.evaluate import Report


def drawn_report(seed: int = 0) -> Report:
    """Two categories of 3 and 5 support sets with 2 to 4 queries each; some queries without a keypoint."""
    rng = np.random.default_rng(seed)
    categories, cluster = [], []
    for number in range(8):
        for _ in range(int(rng.integers(2, 5))):
            categories.append((7, "a") if number < 3 else (4, "b"))
            cluster.append(number)
    count = len(cluster)
    nme = rng.uniform(0, 0.5, count)
    nme[::5] = np.nan
    pck = np.where(np.isnan(nme)[:, None], 0, np.sort(rng.uniform(0, 1, (count, 4)), axis=1))
    return Report(
        categories=tuple(categories),
        pck=pck,
        area=rng.uniform(0, 1, count),
        nme=nme,
        cluster=np.array(cluster),
        error=np.zeros(0),
        owner=np.zeros(0, np.int64),
        score=None,
    )


def naive(report: Report, rows: list[int]) -> list[float]:
    """The seven measures of some pairs, which may come several times."""
    pck = [report.pck[row] for row in rows]
    means = [float(np.mean([values[at] for values in pck])) for at in range(4)]
    errors = [report.nme[row] for row in rows if not np.isnan(report.nme[row])]
    return [*means, sum(means) / 4, float(np.mean(report.area[rows])), float(np.mean(errors))]


def test_means_against_loops() -> None:
    report = drawn_report()
    of = {number: [i for i, (each, _) in enumerate(report.categories) if each == number] for number in (7, 4)}
    images, categories = (summarise(report, mean, repeats=10) for mean in ("image", "category"))
    for number, rows in of.items():
        np.testing.assert_allclose(images.categories[number].mean, naive(report, rows), rtol=1e-12)
    np.testing.assert_allclose(images.overall.mean, naive(report, [*of[7], *of[4]]), rtol=1e-12)
    expected = np.mean([naive(report, rows) for rows in of.values()], axis=0)
    np.testing.assert_allclose(categories.overall.mean, expected, rtol=1e-12)
    assert list(images.categories) == [7, 4]  # in the order of the pairs


def test_intervals_against_a_loop_over_support_sets() -> None:
    report, rng = drawn_report(), np.random.default_rng(1)
    sets = {number: np.flatnonzero(report.cluster == number).tolist() for number in range(8)}
    draws = []
    for _ in range(4000):
        rows = [row for number in rng.choice([0, 1, 2], 3) for row in sets[int(number)]]
        rows += [row for number in rng.choice([3, 4, 5, 6, 7], 5) for row in sets[int(number)]]
        draws.append(naive(report, rows))
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    found = summarise(report, "image", repeats=4000).overall
    # a 2.5 % quantile of 4000 draws has a standard error of about 0.04 widths; pairs drawn one by one, or
    # over both categories, are off by 0.15 and more
    width = high - low
    assert len(width) == len(MEASURES)
    assert np.abs((found.low - low) / width).max() < 0.1
    assert np.abs((found.high - high) / width).max() < 0.1
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()


def test_the_seed_fixes_the_intervals() -> None:
    report = drawn_report()
    first, again, other = (summarise(report, "category", seed=seed).overall for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.low, again.low)
    assert (first.low != other.low).any()


def test_one_support_set_has_no_spread_and_nothing_to_score_no_error() -> None:
    report = drawn_report()
    lone = Report(
        categories=report.categories[:2],
        pck=np.zeros((2, 4)),
        area=np.zeros(2),
        nme=np.full(2, np.nan),
        cluster=np.zeros(2, np.int64),
        error=np.zeros(0),
        owner=np.zeros(0, np.int64),
        score=None,
    )
    for estimates in (summarise(lone, "image").overall, summarise(lone, "category").overall):
        assert estimates.mean[:6] == pytest.approx(0)
        assert estimates.low[:6] == pytest.approx(0)
        assert np.isnan([estimates.mean[6], estimates.low[6], estimates.high[6]]).all()
