"""Slides, SAEs, analyses, cells and correlations."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from desktop_app.store import CorrelationRow, NewAnalysis, NewCorrelation, Store
from sae_backend.cells import CellImport, CellTable
from sae_backend.errors import MismatchError, PixelSizeError, StoreError
from sae_backend.slide import SlideInfo

MakeInfo = Callable[..., SlideInfo]
MakeAnalysis = Callable[..., NewAnalysis]


def test_a_slide_is_found_by_id_path_and_fingerprint(store: Store, slide_info: MakeInfo) -> None:
    record = store.add_slide(slide_info())
    assert (record.name, record.path) == ("example.svs", Path("/slides/example.svs"))
    assert (record.height_px, record.width_px, record.mpp, record.mpp_source) == (3000, 2000, 0.5, "file")
    assert store.slide(record.id) == record
    assert store.slide_by_path(Path("/slides/x/../example.svs")) == record
    assert store.slide_by_fingerprint("f" * 40) == record
    assert store.slides() == [record]
    assert store.slide_by_path(Path("/slides/other.svs")) is None
    assert store.slide_by_fingerprint("0") is None


def test_a_slide_that_moved_keeps_its_id(store: Store, slide_info: MakeInfo) -> None:
    first = store.add_slide(slide_info())
    moved = store.add_slide(slide_info(path=Path("/archive/renamed.svs")))
    assert moved == replace(first, path=Path("/archive/renamed.svs"), name="renamed.svs")
    assert store.slide_by_path(first.path) is None


def test_a_copy_does_not_take_the_place_of_a_slide_that_is_there(
    store: Store, slide_info: MakeInfo, tmp_path: Path
) -> None:
    original, copy = tmp_path / "a.svs", tmp_path / "copy.svs"
    original.touch()
    first = store.add_slide(slide_info(path=original))
    assert store.add_slide(slide_info(path=copy)) == first
    assert store.add_slide(slide_info(path=copy, mpp=0.3, mpp_source="user")).mpp == 0.3
    assert store.slide(first.id).path == original
    original.unlink()
    assert store.add_slide(slide_info(path=copy)).path == copy


def test_the_pixel_size_of_the_user_outlives_the_files(store: Store, slide_info: MakeInfo) -> None:
    slide = store.add_slide(slide_info(mpp=None, mpp_source="unknown"))
    assert slide.mpp is None
    stated = store.set_mpp(slide.id, 0.25)
    assert (stated.mpp, stated.mpp_source) == (0.25, "user")
    assert store.add_slide(slide_info(mpp=0.5, mpp_source="file")).mpp == 0.25
    assert store.add_slide(slide_info(mpp=0.4, mpp_source="user")).mpp == 0.4


@pytest.mark.parametrize("mpp", [0.0, -1.0, math.nan, 1e9])
def test_an_impossible_pixel_size_is_not_stored(store: Store, slide_info: MakeInfo, mpp: float) -> None:
    slide = store.add_slide(slide_info())
    with pytest.raises(PixelSizeError):
        store.set_mpp(slide.id, mpp)
    assert store.slide(slide.id) == slide


def test_unknown_ids_are_refused(store: Store, new_analysis: MakeAnalysis, cell_import: CellImport) -> None:
    for act in (
        lambda: store.slide(9),
        lambda: store.set_mpp(9, 0.5),
        lambda: store.set_current_analysis(9),
        lambda: store.add_analysis(new_analysis(9)),
        lambda: store.add_cells(9, cell_import),
        lambda: store.correlation_rows(9),
    ):
        with pytest.raises(StoreError):
            act()
    assert store.cells(9) is None and store.cell_imports(9) == [] and store.analyses() == []


def test_an_sae_is_renewed_under_its_digest(store: Store) -> None:
    first = store.add_sae("s1", Path("/saes/one"), {"layer": 3, "dims": [64, 512]})
    assert first.folder == Path("/saes/one") and first.card == {"layer": 3, "dims": [64, 512]}
    store.add_sae("s2", Path("/saes/two"), {})
    moved = store.add_sae("s1", Path("/else/one"), {"layer": 4})
    assert moved == replace(first, folder=Path("/else/one"), card={"layer": 4})
    assert store.sae("s1") == moved and store.sae("s3") is None
    assert [sae.digest for sae in store.saes()] == ["s1", "s2"]


def test_an_analysis_comes_back_whole(store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis) -> None:
    slide = store.add_slide(slide_info())
    record = store.add_analysis(new_analysis(slide.id, sae_digest="s1", feature_folder="features/1"))
    assert record.is_control is True
    assert record.tile_spec == {"tile_px": 224, "tile_mpp": 0.5}
    assert record.counts == {"ok": 12, "missing": 1}
    assert (record.sae_digest, record.feature_folder, record.layer) == ("s1", "features/1", 3)
    assert store.analyses() == [record] and store.analyses(slide.id + 1) == []


def test_the_same_analysis_made_again_is_one(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    slide = store.add_slide(slide_info())
    first = store.add_analysis(new_analysis(slide.id))
    encoded = store.add_analysis(new_analysis(slide.id, sae_digest="s1", feature_folder="f"))
    again = store.add_analysis(new_analysis(slide.id, counts={"ok": 13}))
    assert again == replace(first, counts={"ok": 13})
    assert [a.id for a in store.analyses()] == [first.id, encoded.id]


def test_the_current_analysis_is_the_last_one_with_features(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    assert store.current_analysis() is None
    one = store.add_slide(slide_info())
    two = store.add_slide(slide_info(fingerprint="2" * 40))
    plain = store.add_analysis(new_analysis(one.id))
    assert store.current_analysis() == plain
    full = store.add_analysis(new_analysis(one.id, sae_digest="s1", feature_folder="f1"))
    later = store.add_analysis(new_analysis(two.id))
    assert store.current_analysis() == full
    assert store.current_analysis(two.id) == later
    assert store.current_analysis(99) is None


def test_a_chosen_analysis_stays_current_until_another_is_made(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    slide = store.add_slide(slide_info())
    made = [
        store.add_analysis(new_analysis(slide.id, sae_digest=sae, feature_folder=folder))
        for sae, folder in (("s1", "f1"), ("s2", "f2"), (None, None))
    ]
    for choice in made:
        store.set_current_analysis(choice.id)
        assert store.current_analysis() == choice
    newest = store.add_analysis(new_analysis(slide.id, sae_digest="s3", feature_folder="f3"))
    assert store.current_analysis(slide.id) == newest


def test_cells_come_back_bit_for_bit(store: Store, slide_info: MakeInfo, cell_import: CellImport) -> None:
    slide = store.add_slide(slide_info())
    record = store.add_cells(slide.id, cell_import)
    assert record.n_cells == 3
    assert record.type_counts == {"Tumor": 1, "Immune cells": 2}
    assert (record.tool, record.notes) == ("QuPath", ("one cell without a type",))
    table = store.cells(slide.id)
    assert table is not None and table.type_names == cell_import.table.type_names
    for name in ("y_l0", "x_l0", "type_index"):
        found, given = getattr(table, name), getattr(cell_import.table, name)
        assert found.dtype == given.dtype and found.flags.writeable
        np.testing.assert_array_equal(found, given)
    empty = CellTable(np.zeros(0), np.zeros(0), np.zeros(0, np.uint16), ())
    second = store.add_cells(slide.id, replace(cell_import, table=empty))
    assert store.cells(slide.id).n_cells == 0, "the latest import counts"
    assert store.cell_imports(slide.id) == [record, second]


def test_cells_that_do_not_fit_together_are_refused(
    store: Store, slide_info: MakeInfo, cell_import: CellImport
) -> None:
    slide = store.add_slide(slide_info())
    table = cell_import.table
    for wrong in (replace(table, x_l0=np.zeros(2)), replace(table, type_names=("Tumor",))):
        with pytest.raises(MismatchError):
            store.add_cells(slide.id, replace(cell_import, table=wrong))
    assert store.cell_imports(slide.id) == []


@pytest.mark.parametrize("blob", [b"not zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_damaged_cells_are_reported(
    store: Store, slide_info: MakeInfo, cell_import: CellImport, blob: bytes
) -> None:
    slide = store.add_slide(slide_info())
    store.add_cells(slide.id, cell_import)
    with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
        connection.execute("UPDATE cell_arrays SET y_l0 = ?", (blob,))
        connection.commit()
    with pytest.raises(StoreError, match="damaged"):
        store.cells(slide.id)


META = {
    "n_tiles": 400,
    "n_slides": 1,
    "n_clusters": 25,
    "unit": "block of 1 mm",
    "method": "block bootstrap",
    "notes": ["one slide only"],
}


def row(feature: int, statistic: str = "pearson", **changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "feature": feature,
        "cell_type": "Tumor",
        "n_tiles": 400,
        "n_slides": 1,
        "statistic": statistic,
        "value": 0.5,
        "ci_low": 0.1,
        "ci_high": 0.7,
        "p": 0.01,
        "q": 0.02,
        "method": "block bootstrap",
        "unit": "block of 1 mm",
        "reason": "",
    }
    return {**values, **changes}


def test_a_correlation_table_comes_back_in_order_with_none_for_nan(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    slide = store.add_slide(slide_info())
    one = store.add_analysis(new_analysis(slide.id))
    two = store.add_analysis(new_analysis(slide.id, sae_digest="s1"))
    blank = {"value": math.nan, "ci_low": np.float64("nan"), "ci_high": None, "p": None, "q": math.inf}
    rows = [row(9), row(np.int64(2), "spearman", n_tiles=380, **blank, reason="constant feature")]
    record = store.add_correlation(NewCorrelation("s1", (two.id, one.id), {"seed": 0}, META, iter(rows)))
    assert record.analysis_ids == (two.id, one.id)
    assert (record.spec, record.meta) == ({"seed": 0}, META)
    first, second = store.correlation_rows(record.id)
    assert first == CorrelationRow(**row(9))
    undefined = dict.fromkeys(blank)
    assert second == CorrelationRow(**row(2, "spearman", n_tiles=380, **undefined, reason="constant feature"))
    assert store.latest_correlation("s1") == record and store.latest_correlation("s2") is None
    newer = store.add_correlation(NewCorrelation("s1", (), {}, META, []))
    assert store.latest_correlation("s1") == newer and store.correlation_rows(newer.id) == []
    assert store.correlations() == [record, newer]


def test_a_correlation_that_is_not_sound_is_stored_not_at_all(store: Store) -> None:
    unstated = {key: value for key, value in row(1).items() if key != "unit"}
    for meta, rows, error in (
        (META, [row(1, surprise=1)], MismatchError),
        ({}, [unstated], MismatchError),
        (META, [row(1), row(1)], StoreError),
    ):
        with pytest.raises(error):
            store.add_correlation(NewCorrelation("s1", (), {}, meta, rows))
    with pytest.raises(StoreError):
        store.add_correlation(NewCorrelation("s1", (99,), {}, META, []))
    assert store.correlations() == []
