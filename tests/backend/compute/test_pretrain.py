"""The recipe of the shipped encoder: looks keep their places, losses do what they say, a stopped run goes on alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sae_backend.compute.encoders.small_vit import INPUT_PX, N_BLOCKS, PATCH_PX, WIDTH, SmallVit, random_state
from sae_backend.compute.pretrain.contrast import Heads, LossSpec, contrast, even_assignment, losses, swapped
from sae_backend.compute.pretrain.recipe import Pretraining, Recipe, draw_cohort, open_pieces
from sae_backend.compute.pretrain.views import Pieces, ViewSpec, look, pair_corners
from sae_backend.synthetic.specs import CohortSpec

STILL = ViewSpec(shift_px=0, stain=0, hue=0, gamma=0, white=0, noise=0)
CORNER = np.zeros((6, 2), np.int64)


def pieces(n: int = 6, side: int = 112, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(30, 250, (n, side, side, 3), dtype=np.uint8)


def tissue() -> Pieces:
    rng = np.random.default_rng(1)
    slides = [rng.integers(60, 250, (400, 400, 3), dtype=np.uint8) for _ in range(3)]
    places = [rng.integers(0, 400, (50, 2)) for _ in range(3)]
    return Pieces(slides, places)


SHORT = Recipe(n_steps=6, batch=4, n_slides_a_step=2, warm_up=2, loss=LossSpec(n_groups=8))


def test_source_says_where_each_square_of_a_look_lies() -> None:
    given = pieces()
    seen = look(given, CORNER, 112, STILL, torch.Generator().manual_seed(0))
    for image, source, piece in zip(seen.pixels, seen.source, given, strict=True):
        assert sorted(source.tolist()) == list(range(16))
        for place, square in enumerate(source.tolist()):
            row, col = divmod(place, 4)
            y, x = divmod(square, 4)
            shown = image[:, 28 * row : 28 * row + 28, 28 * col : 28 * col + 28]
            original = piece[28 * y : 28 * y + 28, 28 * x : 28 * x + 28]
            # Blur reaches over the edges of half of the looks, so only the means agree.
            assert shown.mean().item() == pytest.approx(float((original + 1.0).mean()) / 256, abs=0.02)
    assert len({tuple(source.tolist()) for source in seen.source}) > 1


def test_looks_repeat_for_a_seed_and_differ_in_colour() -> None:
    given = pieces()
    first, again, other = (
        look(given, CORNER, 112, ViewSpec(), torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    torch.testing.assert_close(first.pixels, again.pixels, rtol=0, atol=0)
    means = [seen.pixels.mean(dim=(2, 3)) for seen in (first, other)]
    assert (means[0] - means[1]).abs().mean() > 0.02


def test_half_of_the_pairs_show_one_place_and_half_neighbours() -> None:
    spec = ViewSpec(shift_px=12, neighbour_px=140, neighbour_share=0.5)
    first, second, n_same = pair_corners(np.random.default_rng(0), 40, spec)
    assert n_same == 20 and first.shape == second.shape == (40, 2)
    assert min(first.min(), second.min()) >= 0 and max(first.max(), second.max()) <= 140
    apart = np.abs(first - second).max(axis=1)
    assert apart[:20].max() <= 12 < np.median(apart[20:])


def test_pieces_come_from_as_many_slides_as_asked() -> None:
    slides = [np.full((200, 200, 3), 10 * k, np.uint8) for k in range(1, 9)]
    source = Pieces(slides, [np.array([[100, 100]])] * 8)
    drawn = source.draw(np.random.default_rng(0), 12, 64, 3)
    assert drawn.shape == (12, 64, 64, 3)
    assert len(np.unique(drawn)) == 3


def test_contrast_is_low_for_partners_alike_and_chance_for_none() -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(32, 16, generator=generator)
    loss, right = contrast(torch.cat([base, base]), 0.1)
    assert right == 1.0 and loss < 0.1
    strangers, found = contrast(torch.randn(64, 16, generator=generator), 0.1)
    assert found < 0.3 and strangers > 3


def test_groups_are_equally_full_and_partners_share_them() -> None:
    generator = torch.Generator().manual_seed(0)
    skewed = torch.randn(400, 8, generator=generator)
    skewed[:, 0] += 3
    shares = even_assignment(skewed / 4, 0.1, rounds=20)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(400))
    assert (shares.sum(dim=0) / 50 - 1).abs().max() < 0.05
    vectors, groups = torch.randn(200, 16, generator=generator), torch.randn(8, 16, generator=generator)
    same, right = swapped(torch.cat([vectors, vectors]), groups, LossSpec(n_groups=8))
    apart, wrong = swapped(torch.cat([vectors, vectors.flip(0)]), groups, LossSpec(n_groups=8))
    assert right == 1.0 and wrong < 0.5 and same < apart


def test_tokens_are_compared_where_they_lie() -> None:
    """Turning a look changes nothing when `source` says so, and much when it does not."""
    model, heads = SmallVit(), Heads(8)
    model.load_state_dict(random_state(0, 0.0))
    with torch.no_grad():
        model.pos_embed.zero_()
        heads.groups.normal_(generator=torch.Generator().manual_seed(3))
    # Squares of one colour look the same mirrored, to a convolution too.
    colours = 4 * torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    image = colours.repeat_interleave(28, dim=2).repeat_interleave(28, dim=3)
    order = torch.arange(16).reshape(4, 4)
    straight = order.ravel().expand(4, -1)
    mirrored = order.flip(1).ravel().expand(4, -1)
    pixels = torch.cat([image, image.flip(3)])
    spec = LossSpec(n_groups=8)
    told = losses(model, heads, pixels, torch.cat([straight, mirrored]), (0, 0), 4, spec)
    untold = losses(model, heads, pixels, torch.cat([straight, straight]), (0, 0), 4, spec)
    assert told.token.item() < untold.token.item()


def test_a_stopped_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = Pretraining(SHORT, tissue(), _folder(tmp_path, "whole"))
    whole.run(lambda _text: None)
    folder = _folder(tmp_path, "parts")
    Pretraining(SHORT, tissue(), folder).run(lambda _text: None, until=3)
    resumed = Pretraining(SHORT, tissue(), folder)
    assert resumed.step == 3
    resumed.run(lambda _text: None)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, resumed.model.state_dict()[name], rtol=0, atol=0)
    assert Pretraining(replace(SHORT, seed=1), tissue(), folder).step == 0, "another recipe starts anew"
    assert len((folder / "log.jsonl").read_text().splitlines()) == 2


def test_training_lowers_the_loss_and_moves_all_blocks(tmp_path: Path) -> None:
    recipe = replace(SHORT, n_steps=30, batch=16, late_look_px=112)
    training = Pretraining(recipe, tissue(), _folder(tmp_path, "run"))
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    seen: list[str] = []
    training.run(seen.append)
    after = training.model.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert {f"blocks.{k}.attn.qkv.weight" for k in range(N_BLOCKS)} <= set(moved)
    assert "pos_embed" not in moved
    assert "step 30 of 30" in seen[-1]
    path = tmp_path / "weights" / "model.safetensors"
    training.save_weights(path)
    saved = load_file(path)
    assert path.stat().st_size < 12_000_000
    assert all(value.dtype == torch.float16 for value in saved.values())
    assert training.summary()["steps"] == 30


def test_late_looks_are_whole_inputs() -> None:
    recipe = Recipe()
    assert recipe.looks(0) == (recipe.look_px, recipe.batch)
    assert recipe.looks(recipe.n_steps - 1)[0] == INPUT_PX
    assert recipe.rate(0) < recipe.rate(recipe.warm_up) > recipe.rate(recipe.n_steps - 1)
    assert recipe.look_px % PATCH_PX == 0


def test_tokens_of_a_part_are_laid_in_the_grid() -> None:
    model = SmallVit()
    model.load_state_dict(random_state(0))
    model.eval()
    image = torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        a, b = model.forward_tokens(image, (0, 0)), model.forward_tokens(image, (4, 4))
        assert a.shape == (1, 16, WIDTH)
        assert not torch.allclose(a, b)
        full = torch.rand(2, 3, INPUT_PX, INPUT_PX)
        torch.testing.assert_close(
            model.forward_tokens(full), model.forward_features(full), rtol=1e-4, atol=1e-4
        )


def test_the_cohort_is_drawn_once_and_read_as_tissue(tmp_path: Path) -> None:
    spec = CohortSpec(seed=5, n_slides=2, size_px=(700, 800), artefact_share=0)
    said: list[str] = []
    paths = draw_cohort(tmp_path, spec, said.append)
    assert draw_cohort(tmp_path, spec, said.append) == paths and len(said) == 2
    drawn = open_pieces(paths).draw(np.random.default_rng(0), 8, 112, 2)
    assert 60 < drawn.mean() < 235


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    return folder
