"""The six steps of a project, told from what its store holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from desktop_app.project.analysis_jobs import features_of
from desktop_app.project.checklist import STEPS, Situation, Step, StepName, checklist, is_ready
from desktop_app.project.embedding_import import record_embeddings, take_embeddings
from desktop_app.store import NewCorrelation, Store
from sae_backend.activations.embeddings import EmbeddingWriter, embedding_key
from sae_backend.cells.counts import CellImport, CellTable
from sae_backend.errors import CacheError, MismatchError
from sae_backend.models.cards import EncoderCard
from sae_backend.slides.slide import Slide
from tests.app.fixtures.fakes import N_FEATURES, SAE_DIGEST, add_analysis, small_grid, write_slide

MPP = 0.5
CARD = EncoderCard(
    "timm:test", "Test", "vit", 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 4, 12, 16, 3, "cls", "", "d1" * 32, False, ""
)  # fmt: skip


def cells(n: int) -> CellImport:
    place = np.arange(n, dtype=np.float64)
    table = CellTable(place, place, (np.arange(n) % 2).astype(np.uint16), ("a", "b"))
    return CellImport(table, "cells.csv", "00" * 32, "table", ())


def correlation(analysis_id: int, unit: str = "block of 1 mm", n_slides: int = 1) -> NewCorrelation:
    meta = {
        "n_tiles": 63, "n_slides": n_slides, "n_clusters": 12, "unit": unit, "method": "Pearson", "notes": [],
    }  # fmt: skip
    return NewCorrelation(SAE_DIGEST, (analysis_id,), {}, meta, {})


def by_name(now: Situation) -> dict[StepName, Step]:
    steps = checklist(now)
    assert tuple(step.name for step in steps) == STEPS
    return {step.name: step for step in steps}


def states(now: Situation) -> str:
    return " ".join(step.state for step in checklist(now))


@pytest.fixture
def slide(tmp_path: Path) -> Slide:
    with Slide.open(write_slide(tmp_path / "field.tif")) as opened:
        return opened


def test_a_slide_is_followed_from_the_file_to_correlations(tmp_path: Path, slide: Slide) -> None:
    assert states(Situation()) == "next missing missing missing missing missing"
    assert by_name(Situation())["embeddings"].fact == "needs a slide"

    with Store.create(tmp_path / "project") as store:
        record = store.slides.add(slide.info)
        now = Situation(store, slide.info, record)
        assert states(now) == "done next missing missing missing missing"
        steps = by_name(now)
        assert (steps["pixel size"].fact, steps["pixel size"].action) == ("not in the file", "State it…")
        assert steps["embeddings"].needs == "the pixel size" and not steps["cells"].needs

        slide.info = slide.info.with_mpp(MPP)
        now = replace(now, slide=slide.info, slide_record=store.slides.add(slide.info))
        assert states(now) == "done done next missing missing missing"
        assert by_name(now)["pixel size"].fact == "0.5 µm/px stated by you"

        analysis = add_analysis(store, record.id, slide)
        only_embedded = replace(now, analysis=replace(analysis, feature_folder=None, sae_digest=None))
        assert by_name(only_embedded)["embeddings"].fact == "deleted", "its folder is not in the cache"
        (store.cache_dir / "embeddings").mkdir()
        (store.cache_dir / "embeddings" / "manifest.json").touch()
        assert states(only_embedded) == "done done done next missing missing"
        assert by_name(only_embedded)["autoencoder"].action == "Train…"
        assert by_name(replace(only_embedded, encodes=True))["autoencoder"].action == "Encode"

        now = replace(now, analysis=analysis, features=features_of(store, analysis))
        assert states(now) == "done done done done next missing"
        steps = by_name(now)
        assert steps["embeddings"].fact == f"{now.features.n_tiles} tiles, timm:test"
        assert steps["autoencoder"].fact == f"{N_FEATURES} features"
        assert steps["correlations"].needs == "cells"

        store.cells.add(record.id, cells(1001))
        assert states(now) == "done done done done done next"
        assert by_name(now)["cells"].fact == "1,001 cells of 2 types"

        store.correlations.add(correlation(analysis.id))
        assert states(now) == "done done done done done done"
        assert by_name(now)["correlations"].fact == "12 units (block of 1 mm)"
        assert is_ready(checklist(now))
        store.correlations.add(correlation(analysis.id, "slide", 24))
        assert by_name(now)["correlations"].fact == "24 slides"


def test_correlations_of_other_cells_or_other_slides_do_not_count(tmp_path: Path, slide: Slide) -> None:
    slide.info = slide.info.with_mpp(MPP)
    with Store.create(tmp_path / "project") as store:
        record = store.slides.add(slide.info)
        analysis = add_analysis(store, record.id, slide)
        now = Situation(store, slide.info, record, analysis, features_of(store, analysis))
        store.cells.add(record.id, cells(10))
        with Slide.open(write_slide(tmp_path / "other.tif", width=1000), MPP) as second:
            elsewhere = add_analysis(store, store.slides.add(second.info).id, second)
        store.correlations.add(correlation(elsewhere.id))
        assert by_name(now)["correlations"].fact == "without this slide"
        store.correlations.add(correlation(analysis.id))
        assert by_name(now)["correlations"].state == "done"
        store.cells.add(record.id, cells(20))
        last = by_name(now)["correlations"]
        assert (last.state, last.fact, last.action) == ("next", "out of date", "Correlate")


def test_what_runs_and_what_failed_is_said_in_its_line(tmp_path: Path, slide: Slide) -> None:
    slide.info = slide.info.with_mpp(MPP)
    with Store.create(tmp_path / "project") as store:
        now = Situation(store, slide.info, store.slides.add(slide.info))
        running = replace(now, running={"embeddings": "tiles are being read"})
        assert states(running) == "done done running missing missing missing"
        assert by_name(running)["embeddings"].fact == "tiles are being read"
        failed = replace(now, errors={"embeddings": "No tissue was found. Check the slide."})
        assert states(failed) == "done done failed missing missing missing"
        step = by_name(failed)["embeddings"]
        assert (step.error, step.action) == ("No tissue was found. Check the slide.", "Analyse…")
        analysis = add_analysis(store, 1, slide)
        again = replace(failed, analysis=analysis, features=features_of(store, analysis))
        assert by_name(again)["embeddings"].state == "done", "what was there before is still there"
        assert by_name(again)["embeddings"].error and not is_ready(checklist(again))


def made_elsewhere(folder: Path, slide: Slide) -> Path:
    grid = small_grid(slide)
    writer = EmbeddingWriter(folder / embedding_key(grid, CARD), grid, CARD, batch=64)
    for start, stop in writer.pending_batches():
        values = np.arange(start * 4, stop * 4, dtype=np.float32).reshape(-1, 4)
        writer.write(start, values, np.zeros(stop - start, np.uint8))
    made = writer.commit().folder
    writer.close()
    return made


def test_embeddings_made_elsewhere_are_copied_for_their_slide_alone(tmp_path: Path, slide: Slide) -> None:
    slide.info = slide.info.with_mpp(MPP)
    folder = made_elsewhere(tmp_path / "elsewhere", slide)
    with Store.create(tmp_path / "project") as store:
        with pytest.raises(MismatchError, match="not in this project"):
            take_embeddings(folder, store.cache_dir, {})
        other = store.slides.add(slide.info.with_mpp(0.25))
        with pytest.raises(MismatchError, match="0.25 um per px"):
            take_embeddings(folder, store.cache_dir, {other.fingerprint: other})
        record = store.slides.add(slide.info)
        known = {record.fingerprint: record}
        taken = take_embeddings(folder, store.cache_dir, known)
        assert taken.folder.is_relative_to(store.cache_dir)
        analysis = record_embeddings(store, taken)
        assert (analysis.slide_id, analysis.counts) == (record.id, {"ok": taken.grid.n_tiles})
        assert by_name(Situation(store, slide.info, record, analysis))["embeddings"].state == "done"
        np.testing.assert_array_equal(taken.vectors.ravel(), np.arange(taken.vectors.size))
        assert record_embeddings(store, take_embeddings(folder, store.cache_dir, known)).id == analysis.id
        (folder / "vectors.f32").write_bytes(b"\x00" * taken.vectors.nbytes)
        with pytest.raises(CacheError, match="has changed"):
            take_embeddings(folder, store.cache_dir, known)
