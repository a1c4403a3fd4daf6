"""Matching: correlations of sparse blocks are exact, the assignment is the best one, chance is judged family-wise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from sae_backend.studies.methods.matching import cross_products
from sae_backend.studies.methods.matching.chance_tiles import deranged
from sae_backend.studies.methods.matching.cross_products import Columns, Laid, correlation_blocks
from sae_backend.studies.methods.matching.family_chance import family_chance
from sae_backend.studies.methods.matching.feature_matching import best_values, match
from sae_backend.studies.methods.matching.random_dictionary import RandomDictionaries, random_directions


def sparse_columns(n: int, f: int, seed: int, share: float = 0.2) -> Columns:
    rng = np.random.default_rng(seed)
    dense = (rng.random((n, f)) < share) * rng.gamma(2.0, 1.0, (n, f))
    return Columns(sparse.csr_array(dense))


def whole(blocks) -> np.ndarray:
    return np.concatenate([block for _, block in blocks])


@pytest.mark.parametrize("values", [7, 10**6])
def test_correlations_are_pearsons(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_products, "_BLOCK_VALUES", values)
    left, right = sparse_columns(120, 6, 0), sparse_columns(120, 5, 1)
    a, b = left.by_tile.toarray(), right.by_tile.toarray()
    want = np.corrcoef(a.T, b.T)[:6, 6:]
    np.testing.assert_allclose(whole(correlation_blocks(left, right)), want, atol=1e-12)
    rng = np.random.default_rng(2)
    source = rng.integers(0, 120, 120).astype(np.int32)
    want = np.corrcoef(a.T, b[source].T)[:6, 6:]
    np.testing.assert_allclose(whole(correlation_blocks(left, right, Laid(source))), want, atol=1e-12)
    weights = rng.integers(0, 4, 120).astype(float)
    times = np.repeat(np.arange(120), weights.astype(int))
    want = np.corrcoef(a[times].T, b[times].T)[:6, 6:]
    np.testing.assert_allclose(whole(correlation_blocks(left, right, weights=weights)), want, atol=1e-12)


def test_a_shifted_map_is_summed_over_its_overlap() -> None:
    left, right = sparse_columns(90, 3, 3), sparse_columns(90, 4, 4)
    source = np.arange(90, dtype=np.int32) + 30
    source[60:] = -1
    a, b = left.by_tile.toarray(), right.by_tile.toarray()
    x, y = a - a.mean(axis=0), b - b.mean(axis=0)
    want = (
        x[:60].T @ y[30:] / np.sqrt(60 / 90) / np.outer(np.linalg.norm(x, axis=0), np.linalg.norm(y, axis=0))
    )
    found = whole(correlation_blocks(left, right, Laid(source, is_shift=True)))
    np.testing.assert_allclose(found, want, atol=1e-12)


def test_a_constant_feature_correlates_with_nothing() -> None:
    dense = np.zeros((50, 3))
    dense[:, 0], dense[::2, 1] = 2.5, 1.0
    found = whole(correlation_blocks(*[Columns(sparse.csr_array(dense))] * 2))
    assert found[0].tolist() == [0, 0, 0] and found[1, 1] == pytest.approx(1)


@pytest.mark.parametrize("shape", [(30, 30), (25, 40), (40, 25)])
def test_the_assignment_is_the_best_one(shape: tuple[int, int]) -> None:
    r = np.random.default_rng(5).uniform(-1, 1, shape)
    found = match([(0, r[:10]), (10, r[10:])], shape, k=max(shape))
    rows, columns = linear_sum_assignment(-np.maximum(r, 0))
    assert np.nansum(found.value) == pytest.approx(np.maximum(r, 0)[rows, columns].sum())
    taken = found.partner[found.partner >= 0]
    assert np.unique(taken).size == taken.size
    few = match([(0, r)], shape, k=3)
    np.testing.assert_allclose(few.left.value, -np.sort(-r, axis=1)[:, :3])
    np.testing.assert_allclose(few.right.value, -np.sort(-r, axis=0)[:3].T)
    mutual = r.argmax(axis=0)[r.argmax(axis=1)] == np.arange(shape[0])
    assert (few.is_mutual == mutual).all()
    for best, want in zip(best_values([(0, r)], shape), (r.max(axis=1), r.max(axis=0)), strict=True):
        np.testing.assert_array_equal(best, want)


def test_features_without_a_partner_have_none() -> None:
    r = np.array([[0.9, 0.8], [0.85, -0.2], [-0.1, -0.3]])
    found = match([(0, r)], (3, 2))
    assert found.partner.tolist() == [1, 0, -1]  # the pair 0-0 is larger, and both together are not
    assert np.isnan(found.value[2]) and found.is_mutual.tolist() == [True, False, False]
    nothing = match([], (3, 0))
    assert nothing.partner.tolist() == [-1] * 3 and np.isnan(nothing.left.best).all()


def test_chance_is_judged_for_all_features_together() -> None:
    rng = np.random.default_rng(6)
    spread = np.linspace(0.02, 0.3, 80)
    n_claims = 0
    for _ in range(300):
        drawn = np.tanh(spread * rng.standard_normal((40, 80)))
        n_claims += bool((family_chance(drawn[0], drawn[1:]).p <= 0.05).any())
    assert 3 <= n_claims <= 28  # 15 expected; p of Poisson below 0.001 beyond
    drawn[0, 0], drawn[0, 79] = 0.4, 0.4
    found = family_chance(drawn[0], drawn[1:])
    assert found.p[0] <= 0.05 < found.p[79]  # the same r is much for one feature and little for another
    assert found.threshold[0] < 0.4 < found.threshold[79] and found.q[0] <= found.q.max()
    assert np.isnan(family_chance(drawn[0], drawn[1:15]).p).all()


def test_a_limit_near_1_can_be_exceeded_and_p_says_so() -> None:
    rng = np.random.default_rng(9)
    level = np.linspace(0.2, 4.5, 200)
    draws = np.tanh(level + 0.12 * rng.standard_normal((39, 200)))
    above = np.tile([0.3, 0.6, 0.9, 1.2], 50)
    observed = np.tanh(level + above)
    observed[-3:] = 1.0, 1.0, np.nan
    found = family_chance(observed, draws)
    known = np.isfinite(observed)
    claimed = found.p[known] <= 0.05
    assert (claimed == (observed[known] > found.threshold[known])).all()
    close = (found.threshold > 0.991) & (found.threshold < 1)
    assert (found.p[close] <= 0.05).sum() >= 10 and (found.p[close] > 0.05).sum() >= 10
    assert np.isnan(found.p[-1])
    # Where draws themselves are as good as 1, nothing is enough, and the limit says that, too.
    draws[:, 0], observed[0] = 1 - 10.0 ** -rng.uniform(3, 9, 39), 1.0
    found = family_chance(observed, draws)
    assert found.p[0] > 0.05 and found.threshold[0] == 1


def test_nobody_stays_in_a_derangement() -> None:
    orders = deranged(5, 39, np.random.default_rng(0))
    assert orders.shape == (39, 5) and not (orders == np.arange(5)).any()
    assert len({tuple(order) for order in orders.tolist()}) == 39


def test_random_dictionaries_fire_as_often_as_asked() -> None:
    vectors = np.random.default_rng(7).standard_normal((400, 12)).astype(np.float32)
    wanted = np.array([0, 1, 40, 399, 400])
    drawn = RandomDictionaries(vectors, wanted).draw((1,))
    assert drawn.n_active.tolist() == [0, 1, 40, 399, 399]
    assert (drawn.by_tile.data > 0).all()
    wide = np.random.default_rng(8).standard_normal((3000, 30)) * np.array([3.0] + [1.0] * 29)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    again = random_directions(wide.astype(np.float32), (0,))
    np.testing.assert_allclose(np.linalg.norm(again, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(again.var(axis=0), wide.var(axis=0), rtol=0.25)
