import numpy as np
import pytest
from scipy import sparse, stats

from sae_backend.statistics.ranks import midranks, shifted_midranks


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("signed", [False, True])
def test_shifted_ranks_differ_from_full_ranks_by_a_constant(density, signed):
    rng = np.random.default_rng(1)
    full = np.round(rng.exponential(2, (300, 6)), 1) + 0.1
    if signed:
        full *= rng.choice([-1, 1], full.shape)
    full[rng.random(full.shape) >= density] = 0
    shifted = shifted_midranks(sparse.csc_array(full))
    offset = stats.rankdata(full, axis=0) - shifted.toarray()
    np.testing.assert_allclose(offset, np.broadcast_to(offset[:1], offset.shape), atol=1e-12)
    assert shifted.nnz == np.count_nonzero(full)


def test_stored_zeros_rank_with_the_others():
    stored = sparse.csc_array(
        (np.array([0.0, 3.0, 1.0]), np.array([0, 1, 2]), np.array([0, 3])), shape=(4, 1)
    )
    np.testing.assert_array_equal(shifted_midranks(stored).toarray()[:, 0], [0, 2.5, 1.5, 0])


def test_dense_midranks():
    np.testing.assert_array_equal(midranks(np.array([[3.0], [1.0], [3.0]])), [[2.5], [1], [2.5]])
    assert midranks(np.empty((0, 2))).shape == (0, 2)
