import json

import numpy as np
import pytest

from sae_backend.correlation.engine import CorrelationSpec, correlate
from tests.worlds.correlation import TYPES, block_null, part, sparse_features

QUICK = CorrelationSpec(n_bootstrap=50, n_permutations=49)


def run(parts, types=TYPES, spec=QUICK):
    """Correlate, and hold the table to plain JSON without NaN."""
    result = correlate(parts, types, spec)
    rows = list(result.rows())
    json.dumps(rows, allow_nan=False)
    for row in rows:
        assert (row["value"] is None) == bool(row["reason"])
    return result


def test_constant_columns_and_rare_features_have_reasons():
    rng = np.random.default_rng(0)
    x = sparse_features(rng, 400, 4)
    x[:, 0] = 0
    x[:, 1] = 0.1
    x[:, 2] = 0
    x[:9, 2] = 1
    counts = np.stack([np.zeros(400, int), rng.poisson(2, 400), np.full(400, 3)], axis=1)
    result = run([part(x, counts)], ("empty", "B", "same"))
    assert result.reason[:, 1].tolist() == [
        "constant feature",
        "constant feature",
        "too few active tiles",
        "",
    ]
    assert result.reason[:, 0].tolist() == ["constant feature"] * 2 + ["constant cell type"] * 2
    assert result.reason[3, 2] == "constant cell type"
    assert np.isfinite(result.pearson.p_fwer[3, 1]) and np.isfinite(result.spearman.ci_low[3, 1])


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_a_handful_of_tiles(n):
    rng = np.random.default_rng(1)
    result = run(
        [part(rng.random((n, 3)), rng.poisson(5, (n, 2)))], spec=CorrelationSpec(20, 19, min_active=1)
    )
    assert result.n_tiles == n and result.n_clusters == n
    for pairs in result.statistics.values():
        assert np.isnan(pairs.ci_low).all() and np.isnan(pairs.p_fwer).all() and np.isnan(pairs.q_bh).all()
    assert result.notes
    if n > 2:
        assert any("cannot be concluded" in note for note in result.notes)


def test_all_tiles_invalid():
    result = run([part(np.eye(20), np.eye(20)[:, :2], valid=np.zeros(20, bool))])
    assert (result.n_tiles, result.n_slides) == (0, 0)
    assert (result.reason == "no tile has a value").all()


def test_the_same_tile_over_and_over():
    result = run([part(np.full((50, 2), 0.3), np.full((50, 2), 4))])
    assert (result.reason == "constant feature").all()


def test_all_tiles_at_one_place_are_one_block():
    rng = np.random.default_rng(2)
    places = (np.zeros(60, int), np.zeros(60, int))
    result = run([part(sparse_features(rng, 60, 2, 0.5), rng.poisson(2, (60, 2)), places=places)])
    assert result.n_clusters == 1 and np.isnan(result.pearson.ci_low).all()
    assert np.isfinite(result.pearson.value).all()


def test_no_types_and_no_features():
    assert list(run([part(np.eye(20), np.empty((20, 0)))], ()).rows()) == []
    assert list(run([part(np.empty((20, 0)), np.ones((20, 2)))]).rows()) == []


def test_a_feature_of_one_slide_has_no_interval_and_a_note():
    rng = np.random.default_rng(3)
    parts = []
    for s in range(8):
        x = sparse_features(rng, 40, 2, 0.4)
        if s:
            x[:, 1] = 0
        parts.append(part(x, rng.poisson(2, (40, 2)), f"slide {s}"))
    result = run(parts)
    assert np.isnan(result.pearson.ci_low[1]).all() and np.isfinite(result.pearson.ci_low[0]).all()
    assert np.isfinite(result.pearson.p_fwer).all()
    assert any("2 pairs of a feature and a type have no interval" in note for note in result.notes)


def test_values_that_are_not_finite_drop_their_tiles():
    rng = np.random.default_rng(4)
    x, counts = sparse_features(rng, 100, 2, 0.5), rng.poisson(2.0, (100, 2)).astype(float)
    clean = run([part(np.delete(x, [3, 8], axis=0), np.delete(counts, [3, 8], axis=0))])
    x[3, 1], counts[8, 0] = np.inf, np.nan
    result = run([part(x, counts)])
    assert result.n_tiles == 98
    assert any("2 tiles with values that are not finite" in note for note in result.notes)
    np.testing.assert_allclose(result.pearson.value, clean.pearson.value, atol=1e-12)


def test_blocks_are_named_with_their_shrunk_edge():
    result = run(block_null(np.random.default_rng(5), edge=4, n_blocks=3))
    assert result.unit == "block of 0.5 mm" and result.n_clusters == 9
    assert any("too narrow" in note for note in result.notes)
