"""The scoreboard: planted columns are found and reported on other slides; chance is not; nulls keep their level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sae_backend.correlation.result import CorrelationSpec
from sae_backend.correlation.run import RunInput, run
from sae_backend.errors import UserInputError
from sae_backend.statistics.split import Halves
from sae_backend.studies.scoreboard.null_world import null_rate
from sae_backend.studies.scoreboard.scoreboard import (
    Representation,
    Tiles,
    correlations,
    margins,
    principal_components,
    score,
    slide_interval,
    table,
)
from tests.worlds.vectors.slides import SlideSpec, VectorWorldSpec, make_world


def tiles(n_slides: int = 20, n: int = 60, seed: int = 0) -> tuple[Tiles, np.ndarray]:
    """Tiles whose first target follows column 3 and whose second follows minus column 1."""
    rng = np.random.default_rng(seed)
    slide = np.repeat(np.arange(n_slides), n)
    values = rng.gamma(1.0, 1.0, (slide.size, 8)).astype(np.float32)
    shift = rng.normal(0, 0.3, n_slides)[slide]
    targets = np.column_stack(
        [values[:, 3] + rng.normal(0, 0.8, slide.size) + shift, -values[:, 1], rng.normal(size=slide.size)]
    )
    kinds = ("cell type", "cell type", "artefact")
    return Tiles(slide, slide < n_slides // 2, targets, ("a", "b", "c"), kinds), values


def test_the_planted_column_is_found_and_reported_on_the_other_slides() -> None:
    known, values = tiles()
    rows = score(known, Representation("x", values, [f"column {k}" for k in range(8)]))
    assert [row.column for row in rows[:2]] == ["column 3", "column 1"]
    held = ~known.choosing
    expected = stats.pearsonr(values[held, 3], known.targets[held, 0])
    assert rows[0].r == pytest.approx(expected.statistic, abs=1e-6)
    assert rows[0].ci_low is not None and rows[0].ci_high is not None
    assert rows[0].ci_low < rows[0].r < rows[0].ci_high < rows[0].ci_low + 0.25
    # The sign is turned: a column that falls with the target counts by its size.
    assert rows[1].r == pytest.approx(1.0, abs=1e-6)
    assert (rows[0].n_tiles, rows[0].n_slides, rows[0].n_columns) == (600, 10, 8)
    assert rows[0].confused_with == "b" and rows[2].confused_with == ""


def test_what_is_chosen_by_chance_does_not_hold_on_other_slides() -> None:
    rng = np.random.default_rng(1)
    slide = np.repeat(np.arange(12), 20)
    lucky, honest = [], []
    for _ in range(20):
        known = Tiles(slide, slide < 6, rng.normal(size=(240, 1)), ("a",), ("cell type",))
        row = score(known, Representation("x", rng.normal(size=(240, 300)).astype(np.float32), range(300)))[0]
        assert row.r is not None and row.r_choosing is not None
        lucky.append(row.r_choosing)
        honest.append(row.r)
    assert np.mean(lucky) > 0.2
    assert abs(np.mean(honest)) < 0.08


def test_the_interval_draws_slides_and_covers() -> None:
    rng = np.random.default_rng(2)
    covered, widths_tiles = 0, []
    for trial in range(60):
        slide = np.repeat(np.arange(16), 25)
        x = rng.normal(size=400) + rng.normal(0, 1, 16)[slide]
        y = 0.5 * x + rng.normal(size=400) + rng.normal(0, 1, 16)[slide]
        low, high = slide_interval(x, y, slide, 400, trial)
        assert low is not None and high is not None
        true = 0.5 * 2 / np.sqrt(2 * (0.25 * 2 + 2))
        covered += low <= true <= high
        widths_tiles.append(high - low)
    assert covered >= 49  # percentile intervals of 16 slides are a little narrow; 49 of 60 is 82 %
    assert np.mean(widths_tiles) > 0.2  # tiles drawn singly would give 0.14


def test_the_interval_repeats_and_needs_five_slides() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 100))
    slide = np.repeat(np.arange(5), 20)
    assert slide_interval(x, y, slide, 100, 7) == slide_interval(x, y, slide, 100, 7)
    assert slide_interval(x, y, np.minimum(slide, 3), 100, 7) == (None, None)


def test_what_does_not_vary_is_said_and_not_nan() -> None:
    known, values = tiles()
    flat = np.ones_like(values)
    rows = score(known, Representation("flat", flat, range(8)))
    assert all(row.r is None and row.column == "" for row in rows)
    constant = Tiles(known.slide, known.choosing, known.targets * 0, known.target_names, known.target_kinds)
    assert all(row.r is None for row in score(constant, Representation("x", values, range(8))))
    columns = table(rows)
    assert len(columns["r"]) == 3 and set(columns) >= {"target", "representation", "ci_low", "n_slides"}


def test_correlations_agree_with_scipy_and_components_are_those_of_the_choosing_tiles() -> None:
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(80, 5)) + 100).astype(np.float32)
    y = rng.normal(size=(80, 2))
    expected = [
        [stats.pearsonr(x[:, f].astype(float), y[:, t]).statistic for t in range(2)] for f in range(5)
    ]
    np.testing.assert_allclose(correlations(x, y), expected, atol=1e-6)
    choosing = np.arange(80) < 50
    parts = principal_components(x, choosing, 5)
    spread = parts[choosing].astype(float).var(axis=0, ddof=1)
    np.testing.assert_allclose(
        spread, np.sort(np.linalg.eigvalsh(np.cov(x[choosing].T.astype(float))))[::-1], rtol=1e-3
    )
    assert abs(parts[~choosing].mean(axis=0)).max() > 1e-3


def test_the_scoreboard_is_what_the_correlations_say_of_the_same_halves() -> None:
    world = make_world(VectorWorldSpec(seed=4, slides=SlideSpec(n_slides=16, tiles=(60, 90))))
    parts = [replace(slide.part(), vectors=slide.vectors) for slide in world.slides]
    halves = Halves("slide", 0, {p.slide: "choose" if k < 8 else "report" for k, p in enumerate(parts)})
    inputs = RunInput(parts, world.type_names, np.ones(5, bool), halves)
    spec = CorrelationSpec(n_bootstrap=50, n_permutations=9, statistics=("pearson",))
    found = run(inputs, spec, lambda *_: None).arrays
    number = np.repeat(np.arange(16), [p.n_tiles for p in parts])
    known = Tiles(
        number, number < 8, np.concatenate([p.counts for p in parts]).astype(float),
        world.type_names, ("cell type",) * 5,
    )  # fmt: skip
    shown = {
        "sae": np.concatenate([p.features.toarray() for p in parts]),
        "raw": np.concatenate([p.vectors for p in parts]),
    }
    for name, values in shown.items():
        for c, row in enumerate(score(known, Representation(name, values, range(values.shape[1])), 50)):
            assert row.column == str(found[f"baseline/{name}/column"][c])
            assert row.r == pytest.approx(abs(found[f"baseline/{name}/value"][c]), abs=1e-5)
            assert row.r_choosing == pytest.approx(abs(found[f"baseline/{name}/choose"][c]), abs=1e-5)


def test_margins_are_differences_of_held_out_r() -> None:
    known, values = tiles()
    rng = np.random.default_rng(5)
    rows = score(known, Representation("ours", values, range(8)))
    rows += score(known, Representation("noise", rng.normal(size=values.shape).astype(np.float32), range(8)))
    found = margins(rows, "ours", "noise")
    assert found["a"] == pytest.approx(rows[0].r - rows[3].r)
    assert found["b"] > 0.8


def test_null_worlds_keep_the_level_and_a_planted_one_does_not() -> None:
    """Slides whose tissues differ: counts of strangers are claimed seldom, the slides' own always."""
    world = make_world(VectorWorldSpec(seed=3))
    parts = world.parts()[:12]
    rng = np.random.default_rng(0)
    shape = (max(int(p.rows.max()) for p in parts) + 1, max(int(p.cols.max()) for p in parts) + 1)
    field = rng.gamma(1.0, 3.0, (40, 1, 1, 3)) * np.exp(rng.normal(0, 0.3, (40, *shape, 3)))
    maps = rng.poisson(field).astype(np.int32)
    found = null_rate(parts, maps, ("a", "b", "c"), n_worlds=40, n_permutations=99)
    low, _high = found.interval()
    assert low <= 0.05 and found.worlds_with_claim <= 6
    assert found.share_of_types <= found.share_of_worlds
    assert found.n_slides == 12 and found.n_features > 20
    with pytest.raises(UserInputError, match="too few"):
        null_rate(parts, maps[:3], ("a", "b", "c"), n_worlds=1, n_permutations=9)
