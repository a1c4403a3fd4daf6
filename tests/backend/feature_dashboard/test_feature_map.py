"""The map of features: planted groups stay together, few features work, and it is made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sae_backend.cache import is_committed
from sae_backend.compute import dispatch
from sae_backend.compute.jobs import feature_map_job as job
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.errors import CacheError, CancelledError, WorkerError
from sae_backend.feature_dashboard import umap as feature_plane
from sae_backend.feature_dashboard import umap as umap_module
from sae_backend.feature_dashboard.feature_map import FeatureMap, map_folder
from sae_backend.worker.requests import MapRequest, Submit, from_line, to_line
from tests.backend.fixtures.runs import N_FEATURES, control_card, small_sae


def groups_of_directions(n_groups: int, each: int, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(n_groups), each)
    w = rng.normal(size=(n_groups, width))[group] + 0.3 * rng.normal(size=(group.size, width))
    return (w / np.linalg.norm(w, axis=1, keepdims=True)).astype(np.float32), group


def test_neighbours_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_plane, "ROWS", 64)
    directions, _ = groups_of_directions(4, 50)
    directions[3] = directions[2]
    rows, distances = feature_plane.nearest_rows(directions, lambda: None)
    cosine = directions.astype(float) @ directions.T.astype(float)
    np.testing.assert_array_equal(rows[:, 0], np.arange(200))
    want = np.sort(1 - cosine, axis=1)[:, :15]
    np.testing.assert_allclose(distances, np.maximum(want, 0), atol=1e-6)
    assert rows[2, 1] == 3 and rows[3, 1] == 2


@pytest.mark.parametrize("n", [0, 1, 2, 3, 15])
def test_few_features_lie_on_their_principal_plane(n: int) -> None:
    directions, _ = groups_of_directions(15, 1)
    xy, method = job.lay_out(directions[:n], JobContext())
    assert xy.shape == (n, 2) and np.isfinite(xy).all()
    assert "principal components" in method and str(n) in method
    if n in (2, 3):  # as many points always lie on a plane, so distances are kept
        want = np.linalg.norm(directions[:n, None] - directions[None, :n], axis=2)
        np.testing.assert_allclose(np.linalg.norm(xy[:, None] - xy[None], axis=2), want, atol=1e-5)


@pytest.mark.slow
def test_the_job_makes_the_map_once_and_groups_lie_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sae = small_sae(control_card())
    with torch.no_grad():
        sae.W_dec[:40] = sae.W_dec[0] + 0.02 * sae.W_dec[:40]
        sae.W_dec[50] = 0
    sae.save(tmp_path / "sae")
    digest = SparseAutoencoder.load(tmp_path / "sae").card.digest
    request = MapRequest(str(tmp_path / "sae"), str(tmp_path / "c"))
    sent = from_line(to_line(Submit(1, request)))
    assert isinstance(sent, Submit) and sent.request == request
    seen: list[tuple[int, int]] = []
    result = dispatch.run(sent.request, JobContext(lambda _, done, total: seen.append((done, total))))
    assert seen[0] == (0, N_FEATURES) and seen[-1] == (N_FEATURES, N_FEATURES)
    folder = Path(result["map_dir"])
    assert folder == map_folder(tmp_path / "c", digest) and is_committed(folder)
    made = FeatureMap.open(folder)
    assert made.xy.shape == (N_FEATURES, 2) and made.xy.dtype == np.float32
    assert (made.sae_digest, made.method) == (digest, result["method"])
    assert made.method.startswith("UMAP") and str(N_FEATURES - 1) in made.method
    # Nobody knows where a feature without a direction lies.
    assert np.flatnonzero(np.isnan(made.xy).any(axis=1)).tolist() == [50]
    near, far = made.xy[:40], np.delete(made.xy, 50, axis=0)[40:]
    assert (
        np.linalg.norm(near - near.mean(axis=0), axis=1).max()
        < np.linalg.norm(far - near.mean(axis=0), axis=1).mean()
    )

    def never(*_: object) -> None:
        raise AssertionError("the map was made twice")

    monkeypatch.setattr(job, "lay_out", never)
    assert dispatch.run(request) == result
    (folder / "xy.bin").write_bytes(b"short")
    with pytest.raises(CacheError, match="damaged"):
        FeatureMap.open(folder)


def test_umap_is_loaded_for_a_map_alone() -> None:
    code = "import sys, sae_backend.compute.dispatch; print(bool({'umap', 'numba', 'sklearn'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_cancelled_map_leaves_nothing_that_counts(tmp_path: Path) -> None:
    small_sae(control_card()).save(tmp_path / "sae")
    with pytest.raises(CancelledError):
        dispatch.run(
            MapRequest(str(tmp_path / "sae"), str(tmp_path / "c")), JobContext(cancelled=lambda: True)
        )
    assert not (tmp_path / "c").exists()


def _children() -> set[str]:
    """Processes that this one has started; none where the system does not say."""
    known = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(known.read_text().split()) if known.exists() else set()


def test_a_map_ends_at_once_while_umap_is_at_work() -> None:
    before = _children()
    directions, _ = groups_of_directions(6, 25)
    neighbours = feature_plane.nearest_rows(directions, lambda: None)
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 2:
            raise CancelledError("Enough.")

    with pytest.raises(CancelledError):
        feature_plane.umap_plane(directions, neighbours, stop)
    # Far fewer than the seconds that the library takes to load, and no process is left to load it.
    assert seen == [(0, 1), (0, 1)]
    assert _children() <= before


def test_a_layout_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(umap_module, "_BOOT", "import sys; sys.exit('no such library')")
    directions, _ = groups_of_directions(2, 10)
    neighbours = feature_plane.nearest_rows(directions, lambda: None)
    with pytest.raises(WorkerError, match="no such library"):
        feature_plane.umap_plane(directions, neighbours, lambda *_: None)
