"""Training: planted directions are found, splits are honest, a killed run ends the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.optim.optimizer import register_optimizer_step_pre_hook

from sae_backend.compute.sae import train
from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.compute.sae.normalisation import geometric_median
from sae_backend.compute.sae.split import TrainPart, split_tiles
from sae_backend.compute.sae.train import TrainRun, TrainSource, TrainSpec, train_sae
from sae_backend.errors import CacheError, CancelledError, MismatchError, UserInputError
from sae_backend.models.cards import EncoderCard

WIDTH, N_PLANTED = 32, 48
THIRD = (0.5, 0.5, 0.5)
SOURCE = TrainSource(
    EncoderCard("timm:a", "", "a", 224, THIRD, THIRD, WIDTH, 4, 16, 4, "cls", "", "w", False, ""),
    mpp=0.5,
    tile_px=224,
)
SHORT = TrainSpec(expansion=2, epochs=4, batch_size=100)


def planted(n: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Sparse sums of planted directions about a far mean: vectors (n, d), directions (k, d)."""
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((N_PLANTED, WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    active = generator.random((n, N_PLANTED)) < 0.06
    amounts = active * generator.gamma(4.0, 0.5, (n, N_PLANTED))
    noise = 0.02 * generator.standard_normal((n, WIDTH))
    return (5.0 + amounts @ directions + noise).astype(np.float32), directions


def part(n: int = 1000, seed: int = 0, slide: str = "") -> TrainPart:
    place = np.arange(n, dtype=np.int32)
    return TrainPart(planted(n, seed)[0], None, place // 40, place % 40, slide)


def test_planted_directions_are_found() -> None:
    vectors, directions = planted(5000)
    place = np.arange(5000, dtype=np.int32)
    valid = np.ones(5000, bool)
    valid[::50] = False
    vectors[::50] = np.nan  # a tile without a vector may hold anything
    given = TrainPart(vectors, valid, place // 80, place % 80)
    spec = TrainSpec(expansion=4, epochs=100, batch_size=256, learning_rate=3e-3)
    sae, card = train_sae([given], spec, SOURCE)
    cosine = np.abs(directions @ sae.W_dec.numpy().T).max(axis=1)
    assert (cosine > 0.9).mean() > 0.9
    metrics = card.metrics
    assert metrics["n_train_tiles"] + metrics["n_held_out_tiles"] == 4900
    assert metrics["explained_variance"] > 0.85
    assert 4 < metrics["l0"] < 12  # the target for this width is 8
    np.testing.assert_allclose(sae.W_dec.norm(dim=1).numpy(), 1.0, atol=1e-5)
    assert card.training["l1_chosen_for_l0"] == 8.0
    assert (card.mpp, card.tile_px, card.encoder_id) == (0.5, 224, "timm:a")


def test_more_l1_is_sparser() -> None:
    spec = replace(SHORT, epochs=40)
    sparse, dense = (train_sae([part()], replace(spec, l1=l1), SOURCE)[1] for l1 in (4.0, 0.5))
    assert sparse.metrics["l0"] < dense.metrics["l0"]
    assert sparse.training["l1"] == 4.0 and sparse.training["l1_chosen_for_l0"] is None


def test_the_result_does_not_depend_on_the_units_of_the_embedding() -> None:
    vectors = planted(1000)[0]
    given = replace(part(), vectors=vectors)
    scaled = replace(part(), vectors=vectors * np.float32(64.0))
    one, other = (train_sae([p], replace(SHORT, l1=1.0), SOURCE) for p in (given, scaled))
    np.testing.assert_allclose(
        other[0].encode(vectors[:50] * np.float32(64.0)).toarray() / np.float32(64.0),
        one[0].encode(vectors[:50]).toarray(),
        atol=1e-3,
    )
    scales = one[1].normalisation["scale"], other[1].normalisation["scale"]
    assert scales[0] == pytest.approx(64.0 * scales[1], rel=1e-5)


def test_same_seed_same_weights_and_saved_folder_agrees(tmp_path: Path) -> None:
    sae, card = train_sae([part()], SHORT, SOURCE)
    assert train_sae([part()], SHORT, SOURCE)[1] == card
    assert train_sae([part()], replace(SHORT, seed=1), SOURCE)[1].digest != card.digest
    assert sae.save(tmp_path / "sae") == card
    again = SparseAutoencoder.load(tmp_path / "sae")
    vectors = part(seed=3).vectors.astype(np.float32)
    np.testing.assert_allclose(again.encode(vectors).toarray(), sae.encode(vectors).toarray(), atol=1e-5)
    again.check_encoder(SOURCE.encoder)


class Killed(Exception):
    """Stands in for a signal that no code sees coming."""


def kill_at(step: int) -> Callable[[str, int, int], None]:
    def progress(_stage: str, done: int, _total: int) -> None:
        if done == step:
            raise Killed

    return progress


@pytest.mark.parametrize("step", [1, 7, 19, 31])
def test_a_killed_training_goes_on_bit_for_bit(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_sae([part()], SHORT, SOURCE)[1]
    monkeypatch.setattr(train, "_CHECKPOINT_SECONDS", 0.0)
    file = tmp_path / "state" / "train.safetensors"
    with pytest.raises(Killed):
        train_sae([part()], SHORT, SOURCE, TrainRun(progress=kill_at(step), checkpoint=file))
    seen: list[int] = []
    run = TrainRun(progress=lambda _stage, done, _total: seen.append(done), checkpoint=file)
    assert train_sae([part()], SHORT, SOURCE, run)[1] == whole
    assert seen[0] == step + 1
    assert train_sae([part()], SHORT, SOURCE, TrainRun(checkpoint=file))[1] == whole


def test_cancel_keeps_the_state(tmp_path: Path) -> None:
    file = tmp_path / "train.safetensors"
    calls = iter(range(100))
    with pytest.raises(CancelledError):
        train_sae([part()], SHORT, SOURCE, TrainRun(cancelled=lambda: next(calls) == 5, checkpoint=file))
    seen: list[int] = []
    run = TrainRun(progress=lambda _stage, done, _total: seen.append(done), checkpoint=file)
    assert train_sae([part()], SHORT, SOURCE, run)[1] == train_sae([part()], SHORT, SOURCE)[1]
    assert seen[0] == 6


def test_a_state_of_another_training_or_a_damaged_one_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "train.safetensors"
    train_sae([part()], replace(SHORT, seed=5), SOURCE, TrainRun(checkpoint=file))
    whole = train_sae([part()], SHORT, SOURCE)[1]
    assert train_sae([part()], SHORT, SOURCE, TrainRun(checkpoint=file))[1] == whole
    file.write_bytes(file.read_bytes()[:500])
    assert train_sae([part()], SHORT, SOURCE, TrainRun(checkpoint=file))[1] == whole


def test_a_state_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="state"):
        train_sae([part()], SHORT, SOURCE, TrainRun(checkpoint=tmp_path / "file" / "state"))


def test_reading_batch_by_batch_gives_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = train_sae([part()], SHORT, SOURCE)[1]
    np.save(tmp_path / "x.npy", part().vectors)
    mapped = replace(part(), vectors=np.load(tmp_path / "x.npy", mmap_mode="r"))
    monkeypatch.setattr(train, "_IN_MEMORY_BYTES", 0)
    assert train_sae([mapped], SHORT, SOURCE)[1] == whole


def test_adam_never_sees_a_gradient_along_the_decoder_rows() -> None:
    along: list[float] = []

    def look(optimizer: torch.optim.Optimizer, _args: object, _kwargs: object) -> None:
        for parameter in optimizer.param_groups[0]["params"]:
            if parameter.shape == (2 * WIDTH, WIDTH):
                assert parameter.grad is not None and float(parameter.grad.norm()) > 1e-3
                along.append(float((parameter.grad * parameter).sum(dim=1).abs().max()))

    handle = register_optimizer_step_pre_hook(look)
    try:
        train_sae([part()], replace(SHORT, epochs=1), SOURCE)
    finally:
        handle.remove()
    assert along and max(along) < 1e-4


def test_few_slides_hold_out_blocks_and_many_whole_slides() -> None:
    one = split_tiles([part(2000)], 0.1, 0)
    assert one.unit.startswith("blocks of 8")
    rows, cols = one.held_out.tile // 40 // 8, one.held_out.tile % 40 // 8
    held = set(zip(rows.tolist(), cols.tolist(), strict=True))
    rows, cols = one.train.tile // 40 // 8, one.train.tile % 40 // 8
    assert not held & set(zip(rows.tolist(), cols.tolist(), strict=True))
    assert len(one.train) + len(one.held_out) == 2000
    many = split_tiles([part(100, seed, f"s{seed}") for seed in range(10)], 0.2, 0)
    assert many.unit == "slides"
    assert set(many.held_out.part) & set(many.train.part) == set()
    assert len(many.held_out) == 200


def test_tiles_without_a_place_are_held_out_in_runs() -> None:
    split = split_tiles([TrainPart(planted(3000)[0])], 0.1, 0)
    assert split.unit == "runs of 64 tiles"
    assert not set(split.held_out.tile // 64) & set(split.train.tile // 64)


def test_gather_keeps_the_order_asked_for() -> None:
    parts = [part(60, seed, str(seed)) for seed in range(2)]
    split = split_tiles(parts, 0.1, 0)
    chosen = np.array([5, 2, 50, 2, 90])
    expected = [parts[split.train.part[i]].vectors[split.train.tile[i]] for i in chosen]
    np.testing.assert_array_equal(split.train.gather(chosen), expected)


def test_geometric_median_resists_outliers() -> None:
    x = np.random.default_rng(0).standard_normal((500, 3))
    x[:50] += 1000.0
    assert np.linalg.norm(geometric_median(x)) < 0.5


def test_bad_input_is_told() -> None:
    with pytest.raises(UserInputError, match="too few"):
        train_sae([part(20)], SHORT, SOURCE)
    with pytest.raises(UserInputError, match="same vector"):
        train_sae([TrainPart(np.full((90, WIDTH), 3.1, np.float32))], SHORT, SOURCE)
    with pytest.raises(UserInputError, match="held-out share"):
        train_sae([part()], replace(SHORT, holdout_share=0.0), SOURCE)
    with pytest.raises(UserInputError, match="expansion"):
        train_sae([part()], replace(SHORT, expansion=0), SOURCE)
    with pytest.raises(MismatchError, match="width"):
        train_sae([TrainPart(np.ones((90, 7), np.float32))], SHORT, SOURCE)
    with pytest.raises(MismatchError, match="width"):
        train_sae([part(), TrainPart(np.ones((90, 7), np.float32))], SHORT, SOURCE)
    with pytest.raises(MismatchError, match="valid"):
        train_sae([replace(part(), valid=np.ones(3, bool))], SHORT, SOURCE)
    broken = part()
    broken.vectors[3] = np.inf
    with pytest.raises(CacheError, match="not finite"):
        train_sae([broken], SHORT, SOURCE)
