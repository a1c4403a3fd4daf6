"""Sparse activations: every view agrees with the dense matrix, and damage is seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix, write_features
from sae_backend.cache import is_committed
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.errors import CacheError, MismatchError, UserInputError
from sae_backend.slides.tiles import TileGrid, TileSpec
from sae_backend.worker.client import wait_for
from sae_backend.worker.requests import EncodeRequest, Progress
from tests.backend.fixtures.runs import (
    N_FEATURES,
    contents,
    control_card,
    request_for,
    small_sae,
    small_slide,
    to_the_end,
)
from tests.backend.in_process_worker import InProcessBackend

N_TILES, N_FEAT = 60, 23
DIGESTS = {"sae_digest": "sae", "embedding_digest": "embedding"}


def grid() -> TileGrid:
    rows, cols = np.divmod(np.arange(N_TILES, dtype=np.int32), np.int32(10))
    tissue = np.ones(N_TILES, np.float32)
    return TileGrid("s", 0.5, TileSpec(32), 32.0, 32.0, (0.0, 0.0), (6, 10), rows, cols, tissue)


def dense_and_valid() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    generator = np.random.default_rng(1)
    dense = generator.gamma(2.0, 1.0, (N_TILES, N_FEAT)).astype(np.float32)
    dense[generator.random(dense.shape) < 0.8] = 0
    dense[:, 5] = 0  # a dead feature
    dense[:, 6] = 1.5  # one that always fires
    valid = generator.random(N_TILES) < 0.9
    dense[~valid] = 0
    return dense, valid


def write(folder: Path, block: int = 17) -> FeatureMatrix:
    dense, valid = dense_and_valid()
    blocks = [csr_array(dense[i : i + block]) for i in range(0, N_TILES, block)]
    return write_features(folder, blocks, valid, grid(), DIGESTS)


def test_rows_columns_and_statistics_agree_with_the_dense_matrix(tmp_path: Path) -> None:
    dense, valid = dense_and_valid()
    write(tmp_path / "f")
    features = FeatureMatrix.open(tmp_path / "f", verify=True)
    assert (features.n_tiles, features.n_features) == dense.shape
    assert (features.sae_digest, features.embedding_digest) == ("sae", "embedding")
    assert features.grid.digest == grid().digest
    np.testing.assert_array_equal(features.valid, valid)
    np.testing.assert_array_equal(features.csc().toarray(), dense)
    assert features.csc().dtype == np.float32
    for index, (line, get) in enumerate(
        [(row, features.row) for row in dense] + [(column, features.column) for column in dense.T]
    ):
        places, values = get(index if index < N_TILES else index - N_TILES)
        np.testing.assert_array_equal(places, np.flatnonzero(line))
        np.testing.assert_array_equal(values, line[line > 0])
        assert (places.dtype, values.dtype) == (np.uint32, np.float32)
    stats = features.stats
    for j in range(N_FEAT):
        firing = dense[valid, j][dense[valid, j] > 0].astype(np.float64)
        assert stats.n_firing[j] == firing.size
        assert stats.firing_rate[j] == pytest.approx(firing.size / valid.sum())
        assert stats.max_value[j] == (firing.max() if firing.size else 0)
        assert stats.mean_when_firing[j] == pytest.approx(firing.mean() if firing.size else 0)
    assert stats.firing_rate[6] == 1.0 and stats.firing_rate[5] == 0.0


def test_the_matrix_by_column_is_read_from_disk_when_it_is_used(tmp_path: Path) -> None:
    write(tmp_path / "f")
    matrix = FeatureMatrix.open(tmp_path / "f").csc()
    assert matrix.indices.dtype == np.int32
    for part in (matrix.indices, matrix.data):
        assert not part.flags.owndata and not part.flags.writeable
    dense, _ = dense_and_valid()
    # What reads it and makes another form of it leaves the mapped arrays alone.
    np.testing.assert_array_equal(csr_array(matrix)[::2].toarray(), dense[::2])
    np.testing.assert_array_equal(matrix[:, [3, 1]].toarray(), dense[:, [3, 1]])
    np.testing.assert_allclose(matrix.T @ np.ones(N_TILES), dense.sum(axis=0), rtol=1e-5)


def test_the_blocks_do_not_matter(tmp_path: Path) -> None:
    one, many = write(tmp_path / "one", N_TILES), write(tmp_path / "many", 7)
    assert one.manifest["checksums"] == many.manifest["checksums"]


def test_what_never_fires_is_a_matrix_too(tmp_path: Path) -> None:
    silent = csr_array((N_TILES, N_FEAT), dtype=np.float32)
    features = write_features(tmp_path / "f", [silent], np.zeros(N_TILES, bool), grid(), DIGESTS)
    assert features.csc().nnz == 0 and features.column(3)[0].size == 0
    assert not features.stats.firing_rate.any()


@pytest.mark.parametrize("index", [-1, 1000])
def test_an_unknown_tile_or_feature_is_refused(tmp_path: Path, index: int) -> None:
    features = write(tmp_path / "f")
    with pytest.raises(UserInputError, match="no feature"):
        features.column(index)
    with pytest.raises(UserInputError, match="no tile"):
        features.row(index)


def test_damage_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    write(folder)
    assert is_committed(folder)
    path = folder / "csc_values.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not is_committed(folder)
    with pytest.raises(CacheError, match="has changed"):
        FeatureMatrix.open(folder, verify=True)
    path.write_bytes(content[:8])
    with pytest.raises(CacheError, match="damaged"):
        FeatureMatrix.open(folder)
    path.unlink()
    with pytest.raises(CacheError, match="damaged"):
        FeatureMatrix.open(folder)
    manifest = folder / "manifest.json"
    record = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**record, "schema": 99}))
    with pytest.raises(CacheError, match="another version"):
        FeatureMatrix.open(folder)
    manifest.write_text("{")
    with pytest.raises(CacheError, match="manifest"):
        FeatureMatrix.open(folder)
    manifest.unlink()
    with pytest.raises(CacheError, match="not finished") as caught:
        FeatureMatrix.open(folder)
    assert caught.value.hint
    assert not is_committed(folder)
    assert is_committed(write(folder).folder)  # what is broken is replaced


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["csr_indptr.bin", "csc_values.bin"])
def test_a_full_disk_is_told_and_nothing_half_is_left(tmp_path: Path, name: str) -> None:
    partial = tmp_path / "f.partial"
    partial.mkdir()
    (partial / name).symlink_to("/dev/full")
    with pytest.raises(CacheError, match="disk is full") as caught:
        write(tmp_path / "f")
    assert "Free some space" in caught.value.hint
    assert not (tmp_path / "f").exists()
    (partial / name).unlink()
    assert is_committed(write(tmp_path / "f").folder)


def test_a_run_killed_while_sealing_leaves_nothing_behind(tmp_path: Path) -> None:
    partial = tmp_path / "f.partial"
    partial.mkdir()
    for name in ("manifest.json", "manifest.json.tmp"):
        (partial / name).write_text('{"schema": 1, "half')
    again, clean = write(tmp_path / "f"), write(tmp_path / "clean")
    assert is_committed(again.folder)
    assert contents(again.folder) == contents(clean.folder)


def test_encoding_gives_what_the_sae_gives(tmp_path: Path) -> None:
    slide, sae = small_slide(tmp_path / "s.tif", 3, 4), small_sae(control_card())
    sae.save(tmp_path / "sae")
    backend = InProcessBackend()
    result = wait_for(backend, backend.submit(request_for(slide, tmp_path / "c", tmp_path / "sae")))
    features = FeatureMatrix.open(Path(result["feature_dir"]), verify=True)
    vectors = np.asarray(Embeddings.open(Path(result["embedding_dir"])).vectors, np.float64)
    dense = np.maximum(vectors @ sae.W_enc.numpy() + sae.b_enc.numpy(), 0)
    np.testing.assert_allclose(features.csc().toarray(), dense, atol=1e-4)
    assert result["n_features"] == N_FEATURES and 0 < features.csc().nnz < dense.size
    assert features.sae_digest == SparseAutoencoder.load(tmp_path / "sae").card.digest
    # Encoded again from the vectors alone, it is found and not computed.
    request = EncodeRequest(result["embedding_dir"], str(tmp_path / "sae"), str(tmp_path / "c"), "cpu")
    assert wait_for(backend, backend.submit(request))["feature_dir"] == result["feature_dir"]
    path = Path(result["embedding_dir"]) / "vectors.f32"
    content = path.read_bytes()
    path.write_bytes(bytes(4) + content[4:])
    with pytest.raises(CacheError, match="has changed"):
        wait_for(backend, backend.submit(request))
    backend.close()


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"width": 64}, "width 64"), ({"tile_px": 224}, "224 px"), ({"encoder": "other"}, "belongs to")],
)
def test_an_sae_that_does_not_belong_is_refused_before_any_embedding(
    tmp_path: Path, changed: dict[str, int | str], words: str
) -> None:
    card = control_card()
    if changed == {"encoder": "other"}:
        sae = small_sae(type(card).from_json({**card.to_json(), "layer": 2}))
    else:
        sae = small_sae(card, **changed)  # type: ignore[arg-type]
    sae.save(tmp_path / "sae")
    slide = small_slide(tmp_path / "s.tif", 3, 4)
    backend = InProcessBackend()
    job = backend.submit(request_for(slide, tmp_path / "c", tmp_path / "sae"))
    events = to_the_end(backend, job)
    assert not any(isinstance(e, Progress) and e.stage == "embed tiles" for e in events)
    with pytest.raises(MismatchError, match=words) as caught:
        wait_for(backend, backend.submit(request_for(slide, tmp_path / "c", tmp_path / "sae")))
    assert caught.value.hint
    assert not (tmp_path / "c").exists()
    backend.close()
