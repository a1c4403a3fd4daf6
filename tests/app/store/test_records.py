"""Slides, SAEs and analyses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from desktop_app.store import NewAnalysis, Store
from sae_backend.cells.table import CellImport
from sae_backend.errors import PixelSizeError, StoreError
from sae_backend.slides.slide import SlideInfo

MakeInfo = Callable[..., SlideInfo]
MakeAnalysis = Callable[..., NewAnalysis]


def test_a_slide_is_found_by_id_path_and_fingerprint(store: Store, slide_info: MakeInfo) -> None:
    record = store.slides.add(slide_info())
    assert (record.name, record.path) == ("example.svs", Path("/slides/example.svs"))
    assert (record.height_px, record.width_px, record.mpp, record.mpp_source) == (3000, 2000, 0.5, "file")
    assert store.slides.get(record.id) == record
    assert store.slides.by_path(Path("/slides/x/../example.svs")) == record
    assert store.slides.by_fingerprint("f" * 40) == record
    assert store.slides.all() == [record]
    assert store.slides.by_path(Path("/slides/other.svs")) is None
    assert store.slides.by_fingerprint("0") is None


def test_a_slide_that_moved_keeps_its_id(store: Store, slide_info: MakeInfo) -> None:
    first = store.slides.add(slide_info())
    moved = store.slides.add(slide_info(path=Path("/archive/renamed.svs")))
    assert moved == replace(first, path=Path("/archive/renamed.svs"), name="renamed.svs")
    assert store.slides.by_path(first.path) is None


def test_a_copy_does_not_take_the_place_of_a_slide_that_is_there(
    store: Store, slide_info: MakeInfo, tmp_path: Path
) -> None:
    original, copy = tmp_path / "a.svs", tmp_path / "copy.svs"
    original.touch()
    first = store.slides.add(slide_info(path=original))
    assert store.slides.add(slide_info(path=copy)) == first
    assert store.slides.add(slide_info(path=copy, mpp=0.3, mpp_source="user")).mpp == 0.3
    assert store.slides.get(first.id).path == original
    original.unlink()
    assert store.slides.add(slide_info(path=copy)).path == copy


def test_the_pixel_size_of_the_user_outlives_the_files(store: Store, slide_info: MakeInfo) -> None:
    slide = store.slides.add(slide_info(mpp=None, mpp_source="unknown"))
    assert slide.mpp is None
    stated = store.slides.set_mpp(slide.id, 0.25)
    assert (stated.mpp, stated.mpp_source) == (0.25, "user")
    assert store.slides.add(slide_info(mpp=0.5, mpp_source="file")).mpp == 0.25
    assert store.slides.add(slide_info(mpp=0.4, mpp_source="user")).mpp == 0.4


@pytest.mark.parametrize("mpp", [0.0, -1.0, math.nan, 1e9])
def test_an_impossible_pixel_size_is_not_stored(store: Store, slide_info: MakeInfo, mpp: float) -> None:
    slide = store.slides.add(slide_info())
    with pytest.raises(PixelSizeError):
        store.slides.set_mpp(slide.id, mpp)
    assert store.slides.get(slide.id) == slide


def test_unknown_ids_are_refused(store: Store, new_analysis: MakeAnalysis, cell_import: CellImport) -> None:
    for act in (
        lambda: store.slides.get(9),
        lambda: store.slides.set_mpp(9, 0.5),
        lambda: store.analyses.choose(9),
        lambda: store.analyses.add(new_analysis(9)),
        lambda: store.cells.add(9, cell_import),
        lambda: store.cells.choose(9),
        lambda: store.cells.imported(9),
        lambda: store.cell_edits.all(9),
        lambda: store.cell_edits.add(9, []),
        lambda: store.correlations.rows(9),
        lambda: store.correlations.arrays(9),
        lambda: store.correlations.get(9),
        lambda: store.correlations.rename(9, "x"),
        lambda: store.splits.choose(9),
        lambda: store.splits.extend(9, {}),
    ):
        with pytest.raises(StoreError):
            act()
    assert store.cells.get(9) is None and store.cells.imports(9) == [] and store.analyses.all() == []
    assert store.cells.raw(9) is None and store.cells.current(9) is None and store.cells.version(9) == ""
    assert store.tile_values.get(9) is None and store.splits.current() is None and store.splits.all() == []


def test_an_sae_is_renewed_under_its_digest(store: Store) -> None:
    first = store.saes.add("s1", Path("/saes/one"), {"layer": 3, "dims": [64, 512]})
    assert first.folder == Path("/saes/one") and first.card == {"layer": 3, "dims": [64, 512]}
    store.saes.add("s2", Path("/saes/two"), {})
    moved = store.saes.add("s1", Path("/else/one"), {"layer": 4})
    assert moved == replace(first, folder=Path("/else/one"), card={"layer": 4})
    assert store.saes.get("s1") == moved and store.saes.get("s3") is None
    assert [sae.digest for sae in store.saes.all()] == ["s1", "s2"]


def test_an_analysis_comes_back_whole(store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis) -> None:
    slide = store.slides.add(slide_info())
    record = store.analyses.add(new_analysis(slide.id, sae_digest="s1", feature_folder="features/1"))
    assert record.is_control is True
    assert record.tile_spec == {"tile_px": 224, "tile_mpp": 0.5}
    assert record.counts == {"ok": 12, "missing": 1}
    assert (record.sae_digest, record.feature_folder, record.layer) == ("s1", "features/1", 3)
    assert store.analyses.all() == [record] and store.analyses.all(slide.id + 1) == []


def test_the_same_analysis_made_again_is_one(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    slide = store.slides.add(slide_info())
    first = store.analyses.add(new_analysis(slide.id))
    encoded = store.analyses.add(new_analysis(slide.id, sae_digest="s1", feature_folder="f"))
    again = store.analyses.add(new_analysis(slide.id, counts={"ok": 13}))
    assert again == replace(first, counts={"ok": 13})
    assert [a.id for a in store.analyses.all()] == [first.id, encoded.id]


def test_the_current_analysis_is_the_last_one_with_features(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    assert store.analyses.current() is None
    one = store.slides.add(slide_info())
    two = store.slides.add(slide_info(fingerprint="2" * 40))
    plain = store.analyses.add(new_analysis(one.id))
    assert store.analyses.current() == plain
    full = store.analyses.add(new_analysis(one.id, sae_digest="s1", feature_folder="f1"))
    later = store.analyses.add(new_analysis(two.id))
    assert store.analyses.current() == full
    assert store.analyses.current(two.id) == later
    assert store.analyses.current(99) is None


def test_a_chosen_analysis_stays_current_until_another_is_made(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    slide = store.slides.add(slide_info())
    made = [
        store.analyses.add(new_analysis(slide.id, sae_digest=sae, feature_folder=folder))
        for sae, folder in (("s1", "f1"), ("s2", "f2"), (None, None))
    ]
    for choice in made:
        store.analyses.choose(choice.id)
        assert store.analyses.current() == choice
    newest = store.analyses.add(new_analysis(slide.id, sae_digest="s3", feature_folder="f3"))
    assert store.analyses.current(slide.id) == newest
