"""What fires here: shares against planted energies and against removal one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.compute import dispatch
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.feature_dashboard.attribution import explain_vector, reconstruct, what_fires_here
from sae_backend.models.sae_weights import SaeArrays
from tests.backend.fixtures.runs import control_card, request_for, small_sae, small_slide


def test_at_right_angles_the_shares_are_the_energies() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0].astype(np.float32)
    sae = SaeArrays("s", basis[:7], rng.normal(size=8).astype(np.float32))
    values = np.array([1.0, 3.0, 2.0])
    # What no feature stands for: 2 along the eighth axis, so 4 of 18.
    x = sae.b_dec + values @ basis[[4, 0, 6]] + 2 * basis[7]
    found = explain_vector(x, np.array([4, 0, 6]), values, sae)
    assert found.features.tolist() == [0, 6, 4] and found.values.tolist() == [3, 2, 1]
    np.testing.assert_allclose(found.shares, np.array([9, 4, 1]) / 18, atol=1e-6)
    assert found.explained == pytest.approx(14 / 18, abs=1e-6)
    nothing = explain_vector(x, np.zeros(0, np.uint32), np.zeros(0), sae)
    assert nothing.explained == 0 and nothing.shares.size == 0


def test_shares_are_what_removing_a_feature_costs() -> None:
    rng = np.random.default_rng(1)
    w = rng.normal(size=(30, 6)).astype(np.float32)
    sae = SaeArrays("s", w / np.linalg.norm(w, axis=1, keepdims=True), rng.normal(size=6).astype(np.float32))
    x, features = rng.normal(size=6), np.array([3, 8, 20, 21])
    values = np.array([0.7, 5.0, 0.2, 1.1])
    found = explain_vector(x, features, values, sae)
    energy = np.sum((x - sae.b_dec) ** 2)
    error = np.sum((x - reconstruct(sae, features, values)) ** 2)
    assert found.explained == pytest.approx(1 - error / energy)
    for feature, share in zip(found.features, found.shares, strict=True):
        kept = features != feature
        without = np.sum((x - reconstruct(sae, features[kept], values[kept])) ** 2)
        assert share == pytest.approx((without - error) / energy)
    assert found.shares.min() < 0  # of the feature that overshoots
    assert np.isnan(explain_vector(sae.b_dec, features, values, sae).explained)


def test_a_real_run_is_explained_as_its_sae_decodes(tmp_path: Path) -> None:
    torch_sae = small_sae(control_card())
    with torch.no_grad():
        torch_sae.b_dec += 0.3
    torch_sae.save(tmp_path / "sae")
    result = dispatch.run(
        request_for(small_slide(tmp_path / "s.tif", 3, 4), tmp_path / "c", tmp_path / "sae")
    )
    features = FeatureMatrix.open(Path(result["feature_dir"]))
    embeddings = Embeddings.open(Path(result["embedding_dir"]))
    sae = SaeArrays.open(tmp_path / "sae")
    numbers, values = features.row(7)
    dense = torch.from_numpy(features.csc().toarray()[[7]].astype(np.float32))
    decoded = torch_sae.decode(dense).numpy()[0]
    np.testing.assert_allclose(reconstruct(sae, numbers, values), decoded, atol=1e-5)
    explained, rows = what_fires_here(7, features, embeddings, sae)
    x = embeddings.vectors[7].astype(float)
    assert explained == pytest.approx(1 - np.sum((x - decoded) ** 2) / np.sum((x - sae.b_dec) ** 2), abs=1e-4)
    assert sorted(row.feature for row in rows) == numbers.tolist()
    assert [row.share for row in rows] == sorted((row.share for row in rows), reverse=True)
    first = rows[0]
    column = features.column(first.feature)[1]
    below = np.sum(column < np.float32(first.value)) + 0.5
    assert first.percentile == pytest.approx(100 * below / column.size)
    with pytest.raises(MismatchError):
        what_fires_here(7, features, embeddings, SaeArrays("other", sae.w_dec, sae.b_dec))
    with pytest.raises(MismatchError, match="do not fit"):
        explain_vector(x[:-1], numbers, values, sae)
    with pytest.raises(UserInputError, match="could not be read"):
        explain_vector(np.full(sae.d_in, np.nan), numbers, values, sae)
