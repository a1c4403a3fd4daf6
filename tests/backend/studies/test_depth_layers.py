"""Blocks of an encoder are embedded in one pass, with the very bytes of one pass each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from sae_backend.activations.embeddings import Embeddings
from sae_backend.compute import dispatch
from sae_backend.compute.encoders.load import CONTROL_ID, load_encoder
from sae_backend.compute.jobs.embed import JobContext, embed
from sae_backend.compute.jobs.embed_layers import EmbedRun, embed_layers
from sae_backend.compute.studies.prepare_depth import prepare
from sae_backend.errors import CancelledError, MismatchError, UserInputError
from sae_backend.models.bundled_models import SHIPPED_CONTROL
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue
from sae_backend.studies.depth.definition import chosen_blocks
from sae_backend.worker.requests import StudyRequest
from tests.backend.activations.test_embeddings import broken_slide
from tests.backend.fixtures.runs import SPEC, contents, request_for, small_sae, small_slide

CPU = torch.device("cpu")


def encoder_of(kind: str, folder: Path, layer: int | None = None):
    """A tiny encoder with CLS token, the mean of its tokens, or an average before its last norm."""
    if kind == "small":
        return load_encoder(SHIPPED_CONTROL, None, layer, "mean")
    name = {"cls": "test_vit", "mean": "test_vit", "late norm": "test_vit2"}[kind]
    path = folder / f"{name}.safetensors"
    if not path.exists():
        torch.manual_seed(3)
        save_file(timm.create_model(name, pretrained=False).state_dict(), path)
    return load_encoder(f"timm:{name}", path, layer, "cls" if kind == "cls" else "mean")


def opened(path: Path):
    slide = Slide.open(path)
    return slide, resolve_grid(TileSpec(**SPEC), slide.info, find_tissue(slide))


@pytest.mark.parametrize("kind", ["cls", "mean", "late norm", "small"])
def test_one_pass_gives_the_bytes_of_one_pass_a_block(tmp_path: Path, kind: str) -> None:
    slide, grid = opened(broken_slide(tmp_path / "s.tiff"))
    first = encoder_of(kind, tmp_path)
    layers = [1, first.card.n_blocks]
    with slide:
        together = embed_layers(slide, grid, first, layers, EmbedRun(tmp_path / "together", CPU, 4))
        for layer, made in zip(layers, together, strict=True):
            one = embed(
                slide, grid, encoder_of(kind, tmp_path, layer), tmp_path / "one", CPU, 4, JobContext()
            )
            assert made.folder.name == one.folder.name
            assert contents(made.folder) == contents(one.folder)
            assert made.status_counts == {"ok": 10, "missing": 1, "corrupt": 1}
    assert len({made.digest for made in together}) == 2


def test_it_goes_on_with_what_blocks_lack(tmp_path: Path) -> None:
    slide, grid = opened(small_slide(tmp_path / "s.tif", 3, 4))
    encoder = load_encoder(CONTROL_ID)
    passes: list[tuple[int, ...]] = []
    plain = encoder.encode_layers

    def counted(batch, layers, device="cpu"):
        passes.append(tuple(layers))
        return plain(batch, layers, device)

    encoder.encode_layers = counted  # type: ignore[method-assign]
    stops: list[int] = []
    watch = JobContext(
        lambda _stage, done, _total: stops.append(done), lambda: bool(stops) and stops[-1] >= 8
    )
    with slide:
        with pytest.raises(CancelledError):
            embed_layers(slide, grid, encoder, [1, 3], EmbedRun(tmp_path / "c", CPU, 4, watch))
        assert passes == [(1, 3), (1, 3)]
        passes.clear()
        # Block 4 has nothing yet; the others lack the last batch alone, and one block is whole already.
        embed(slide, grid, load_encoder(CONTROL_ID, None, 2), tmp_path / "c", CPU, 4, JobContext())
        again = embed_layers(slide, grid, encoder, [1, 2, 3, 4], EmbedRun(tmp_path / "c", CPU, 4))
        assert passes == [(4,), (4,), (1, 3, 4)]
        passes.clear()
        embed_layers(slide, grid, encoder, [4, 1], EmbedRun(tmp_path / "c", CPU, 4))
        assert passes == []
        whole = embed_layers(slide, grid, encoder, [1, 2, 3, 4], EmbedRun(tmp_path / "w", CPU, 4))
        with pytest.raises(UserInputError, match="no layer 5"):
            embed_layers(slide, grid, encoder, [5], EmbedRun(tmp_path / "c", CPU, 4))
    for resumed, straight in zip(again, whole, strict=True):
        assert contents(resumed.folder) == contents(straight.folder)


def test_layers_are_chosen() -> None:
    assert chosen_blocks(None, 4) == [1, 2, 3, 4]
    assert chosen_blocks(None, 12) == [1, 3, 5, 8, 10, 12]
    assert chosen_blocks([9, 2, 2], 12) == [2, 9]
    for wrong, words in (
        ([3], "two or more"),
        ([1, 13], "no block 13"),
        ([0, 2], "no block 0"),
        ([99], "no block 99"),
    ):
        with pytest.raises(UserInputError, match=words) as error:
            chosen_blocks(wrong, 12)
        assert "blocks 1 to 12" in error.value.hint


def layer_request(tmp_path: Path, **spec) -> StudyRequest:
    """Two analysed slides, and the wish to look at blocks of the control."""
    path = tmp_path / "sae"
    small_sae(load_encoder(CONTROL_ID).card).save(path)
    slides, results = [], []
    for number in range(2):
        slide = small_slide(tmp_path / f"s{number}.tif", 6, 6 + number)
        results.append(dispatch.run(request_for(slide, tmp_path / "cache", path)))
        slides.append(
            {"name": slide.name, "patient": "", "facts": {}, "path": str(slide), "mpp": None,
             "fingerprint": "", "targets_file": ""}
        )  # fmt: skip
    model = {
        "encoder": CONTROL_ID, "encoder_digest": results[0]["encoder_digest"], "layer": 4,
        "pooling": "cls", "weights": None,
    }  # fmt: skip
    entry = {
        "title": "current", "model": model, "tile_spec": SPEC,
        "feature_dirs": [each["feature_dir"] for each in results],
        "embedding_dirs": [each["embedding_dir"] for each in results],
    }  # fmt: skip
    return StudyRequest(
        "depth", tuple(slides), (entry,), (), str(tmp_path / "cache"), str(tmp_path / "work"),
        {"layers": [1, 4], "expansion": 1, "epochs": 1, "seed": 5, **spec}, device="cpu",
    )  # fmt: skip


def test_blocks_become_feature_sets(tmp_path: Path) -> None:
    request = layer_request(tmp_path)
    sets = prepare(request, JobContext())
    assert [entry["title"] for entry in sets] == ["block 1", "block 4"]
    assert [entry["model"]["layer"] for entry in sets] == [1, 4]
    # The block of the analysis is not embedded again.
    assert sets[1]["embedding_dirs"] == request.sets[0]["embedding_dirs"]
    assert all(entry["model"]["training"]["seed"] == 5 for entry in sets)
    assert prepare(request, JobContext()) == sets
    # The set of another encoder stays at the end, to judge how alike tiles are.
    judge = {**request.sets[0], "title": "other encoder"}
    found = prepare(replace(request, sets=(*request.sets, judge)), JobContext())
    assert found[:2] == sets and found[2]["title"] == "other encoder" and found[2]["model"]["is_judge"]
    digests = {Embeddings.open(Path(entry["embedding_dirs"][0])).grid.digest for entry in sets}
    assert len(digests) == 1
    # A block that is not there is refused by the card of what was embedded: no encoder is loaded.
    said: list[str] = []
    with pytest.raises(UserInputError, match="no block 99"):
        prepare(replace(request, spec={"layers": [99]}), JobContext(lambda stage, *_: said.append(stage)))
    assert said == []
    other = {**request.sets[0], "model": {**request.sets[0]["model"], "encoder_digest": "0" * 64}}
    with pytest.raises(MismatchError, match="not the encoder"):
        prepare(replace(request, sets=(other,)), JobContext())
    small_slide(tmp_path / "s0.tif", 6, 8)
    with pytest.raises(MismatchError, match="not the slide"):
        prepare(request, JobContext())
