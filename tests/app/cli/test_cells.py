"""The commands about cells: import with a look first, detection, the class map, imports to choose from, values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from desktop_app.store import Store
from tests.app.fixtures.command_line import Commands, assert_refused, write_cells, write_field
from tests.app.fixtures.inline_backend import InlineBackend
from tests.worlds.nucleus_fields import nuclei_slide


@dataclass(frozen=True)
class Made:
    slide: Path
    project: Path
    cells: Path

    @property
    def at(self) -> tuple[object, ...]:
        return ("--project", self.project)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(
        write_field(tmp_path / "field.tiff"), tmp_path / "project", write_cells(tmp_path / "cells.csv", n=100)
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_a_preview_says_what_would_be_imported_and_leaves_nothing(run: Commands, made: Made) -> None:
    said = run("cells", "import", made.slide, made.cells, *made.at, "--map", "Tumour=Neoplastic", "--preview")
    assert said.code == 0 and not made.project.exists()
    assert "table (CSV, TSV, Parquet); 100 cells of 2 types, without outlines." in said.out
    assert "They count as: Neoplastic 50, Stroma 50." in said.out and "Nothing was imported." in said.out
    assert "100.0% of them lie on the slide" in said.out


def test_suggestions_are_said_as_the_option_to_add_and_never_applied(
    run: Commands, made: Made, tmp_path: Path
) -> None:
    half = write_cells(tmp_path / "half.csv", 300, 400)
    said = run("cells", "import", made.slide, half, *made.at, "--json").data
    (first, *_) = said["preview"]["suggestions"]
    assert first["option"] == "--scale 2"
    with Store.open(made.project) as store:
        assert float(store.cells.get(1).x_l0.max()) < 400
    run("cells", "import", made.slide, half, *made.at, *first["option"].split())
    with Store.open(made.project) as store:
        assert float(store.cells.get(1).x_l0.max()) > 700
        assert store.cells.current(1).assumed["scale"] == 2


def test_columns_unit_and_offset_can_be_stated(run: Commands, made: Made, tmp_path: Path) -> None:
    path = tmp_path / "odd.tsv"
    path.write_text("a\tb\tkind\n10\t20\tT\n30\t40\tS\n", encoding="utf-8")
    refused = run("cells", "import", made.slide, path, *made.at)
    assert_refused(refused, "no columns for x and y", "--x and --y")
    assert not made.project.exists()
    words = ("--x", "a", "--y", "b", "--type", "kind", "--unit", "um", "--offset=-5,7")
    said = run("cells", "import", made.slide, path, *made.at, *words, "--json")
    assert said.data["type_counts"] == {"S": 1, "T": 1}
    with Store.open(made.project) as store:
        table = store.cells.get(1)
    np.testing.assert_allclose(table.x_l0, [27, 67])
    np.testing.assert_allclose(table.y_l0, [35, 75])
    one = run("cells", "import", made.slide, path, *made.at, "--x", "a")
    assert_refused(one, "Only one of the columns", "--x COL --y COL")
    wrong = run("cells", "import", made.slide, path, *made.at, *words[:-1], "--offset", "3")
    assert_refused(wrong, "is not Y,X", code=2)
    twice = run("cells", "import", made.slide, path, *made.at, *words[:6], "--scale", "2", "--level", "1")
    assert_refused(twice, "both stated")


def test_the_class_map_is_shown_set_and_taken_back(run: Commands, made: Made) -> None:
    run("cells", "import", made.slide, made.cells, *made.at)
    shown = run("cells", "classes", *made.at)
    assert "They count as: Stroma 50, Tumour 50." in shown.out
    merged = run("cells", "classes", *made.at, "--map", "Tumour=Cell", "--map", "Stroma=Cell")
    assert "Before: Stroma 50, Tumour 50." in merged.out and "Now:    Cell 100." in merged.out
    less = run("cells", "classes", *made.at, "--ignore", "Stroma", "--map", "Plasma=Cell", "--json").data
    assert less["before"] == {"Cell": 100} and less["after"] == {"Cell": 50} and less["unknown"] == ["Plasma"]
    with Store.open(made.project) as store:
        assert store.cells.get(1).type_names == ("Cell",) and store.cells.get(1).n_cells == 50
    back = run("cells", "classes", *made.at, "--reset", "--json").data
    assert back["class_map"] == {"renamed": {}, "ignored": []} and back["after"] == {
        "Stroma": 50,
        "Tumour": 50,
    }
    assert_refused(run("cells", "classes", *made.at, "--map", "Tumour"), "does not say what becomes")


def test_an_older_import_can_be_chosen(run: Commands, made: Made, tmp_path: Path) -> None:
    run("cells", "import", made.slide, made.cells, *made.at)
    run("cells", "import", made.slide, write_cells(tmp_path / "more.csv", n=40), *made.at)
    listed = run("cells", "list", *made.at)
    assert "*    2" in listed.out and "more.csv (table, sha256 " in listed.out
    chosen = run("cells", "list", *made.at, "--use", 1, "--json").data["imports"]
    assert [(entry["id"], entry["current"]) for entry in chosen] == [(1, True), (2, False)]
    assert_refused(run("cells", "list", *made.at, "--use", 9), "no such import")


def test_values_of_places_are_read_with_the_same_words(run: Commands, made: Made, tmp_path: Path) -> None:
    path = tmp_path / "genes.csv"
    rows = "".join(f"{50 * i},{40 * i},{i},{'' if i == 2 else i / 2},spot\n" for i in range(6))
    path.write_text("x_um,y_um,EPCAM,CD3E,kind\n" + rows, encoding="utf-8")
    said = run("cells", "values", made.slide, path, *made.at, "--json").data
    assert said["names"] == ["EPCAM", "CD3E"] and said["n_rows"] == 6
    assert not any("type of the cells" in note for note in said["notes"])
    with Store.open(made.project) as store:
        values = store.tile_values.get(1)
    np.testing.assert_allclose(values.x_l0, np.arange(6) * 100)
    assert np.isnan(values.values[2, 1]) and values.values[5, 0] == 5
    far = run("cells", "values", made.slide, path, *made.at, "--scale", 100, "--offset=9000,9000")
    assert_refused(far, "outside the slide")
    assert_refused(
        run("cells", "values", made.slide, write_cells(path), *made.at), "no column of numbers", "type hold"
    )


def test_nuclei_are_found_once_and_kept_as_cells(run: Commands, tmp_path: Path) -> None:
    slide = tmp_path / "nuclei.tiff"
    nuclei_slide(slide)
    at = ("--project", tmp_path / "project")
    backends: list[InlineBackend] = []

    def backend() -> InlineBackend:
        backends.append(InlineBackend())
        return backends[-1]

    said = run("cells", "detect", slide, *at, "--json", backend=backend)
    assert said.code == 0 and "find nuclei: " in said.err and backends[0].closed
    summary = said.data["summary"]
    assert summary["n_nuclei"] == said.data["import"]["n_cells"] > 20
    assert summary["per_mm2"] > 0 and 20 < summary["area_um2_quartiles"][1] < 120
    again = run("cells", "detect", slide, *at)
    assert "per mm2 of tissue" in again.out
    with Store.open(at[1]) as store:
        assert len(store.cells.imports(1)) == 1
    other = run("cells", "detect", slide, *at, "--min-area-um2", 60, "--json").data
    assert other["summary"]["n_nuclei"] < summary["n_nuclei"] and other["spec"]["min_area_um2"] == 60
    assert_refused(run("cells", "detect", slide, *at, "--working-mpp", 3), "cannot be found at 3 um")


def test_nuclei_need_a_pixel_size(run: Commands, tmp_path: Path) -> None:
    slide = write_field(tmp_path / "plain.tiff", mpp=None)
    said = run("cells", "detect", slide, "--project", tmp_path / "project")
    assert_refused(said, "pixel size")
    assert not (tmp_path / "project").exists()
