"""What the export commands write, read back with the libraries that others would use."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openpyxl
import pyarrow.parquet as pq
import pytest

from desktop_app.export import qupath_tiles as tile_export
from desktop_app.export.anndata import write_anndata
from desktop_app.export.correlation_table import write_correlations
from desktop_app.export.tables import guarded
from desktop_app.project.analysis_jobs import features_of, open_slide, require_current
from desktop_app.store import SlideRecord, Store
from sae_backend.cells.counts import count_cells
from sae_backend.errors import CacheError
from tests.app.fixtures.chain import N_FEATURES, N_TILES, Made
from tests.app.fixtures.command_line import Commands, assert_refused
from tests.app.fixtures.vector_project import WorldChoice, make_project

STATISTICS = ("pearson", "spearman", "log_pearson", "within")


@pytest.fixture(scope="module")
def named(chain: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A copy of the project in which a feature has a name that a spreadsheet would run."""
    folder = tmp_path_factory.mktemp("exports") / "project"
    shutil.copytree(chain.project, folder)
    with Store.open(folder) as store:
        store.annotations.set(
            store.correlations.latest(require_current(store).sae_digest).sae_digest, 3, name="=1+1"
        )
    return Made(chain.slide, folder, chain.sae, chain.cells)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def stored(made: Made):
    with Store.open(made.project) as store:
        record = store.correlations.latest(require_current(store).sae_digest)
        return record, store.correlations.arrays(record.id)


def write(run: Commands, made: Made, kind: str, path: Path, *more: object):
    said = run("export", kind, "--project", made.project, *more, "--out", path, "--json")
    assert said.code == 0, said.err
    return said.data


def test_parquet_gives_every_value_back(run: Commands, named: Made, tmp_path: Path) -> None:
    record, arrays = stored(named)
    n = write(run, named, "correlations", tmp_path / "c.parquet")["n_rows"]
    table = pq.read_table(tmp_path / "c.parquet")
    assert n == table.num_rows == N_FEATURES * 2 * len(STATISTICS)
    frame = table.to_pandas()
    for statistic in STATISTICS:
        own = frame[frame.statistic == statistic]
        for field in ("value", "ci_low", "bca_high", "percentile_low", "p", "q"):
            found = own[field].to_numpy().reshape(N_FEATURES, 2)
            np.testing.assert_array_equal(found, arrays[f"{statistic}/{field}"])
        assert (own.value.isna() == (own.reason != "")).all()
    assert set(frame.n_clusters) == {record.meta["n_clusters"]} and set(frame.method) == {
        record.meta["method"]
    }
    assert set(frame.cells_sha256) == {record.meta["slides"][0]["cells_sha256"]} and frame.cells_sha256[0]
    facts = json.loads(table.schema.metadata[b"sparsescope"])
    assert facts["slides"][0]["slide"] == "field.tiff" and facts["encoder_is_control"] is True
    assert facts["versions"]["sparsescope"] and facts["encoder_licence"] and not facts["held_out"]


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_text_tables_are_safe_and_complete(
    run: Commands, named: Made, tmp_path: Path, suffix: str, delimiter: str
) -> None:
    _, arrays = stored(named)
    write(run, named, "correlations", tmp_path / f"c{suffix}")
    with (tmp_path / f"c{suffix}").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter))
    assert len(rows) == N_FEATURES * 2 * len(STATISTICS)
    assert {row["feature_name"] for row in rows if row["feature"] == "3"} == {"'=1+1"}
    for row in rows[:: len(rows) // 40]:
        place = int(row["feature"]), ["Stroma", "Tumour"].index(row["cell_type"])
        value = arrays[f"{row['statistic']}/value"][place]
        assert (
            (float(row["value"]) == value) if np.isfinite(value) else (row["value"] == "" and row["reason"])
        )


def test_a_workbook_holds_texts_and_no_formula(run: Commands, named: Made, tmp_path: Path) -> None:
    record, arrays = stored(named)
    write(run, named, "correlations", tmp_path / "c.xlsx")
    book = openpyxl.load_workbook(tmp_path / "c.xlsx", read_only=True)
    assert book.sheetnames == ["About", "Best", "Features", "Baselines", "Correlations"]
    rows = book["Correlations"].iter_rows(values_only=True)
    header = list(next(rows))
    found = [dict(zip(header, row, strict=False)) for row in rows]
    assert len(found) == N_FEATURES * 2 * len(STATISTICS)
    third = [row for row in found if row["feature"] == 3]
    assert {row["feature_name"] for row in third} == {"=1+1"}
    for cells in openpyxl.load_workbook(tmp_path / "c.xlsx")["Correlations"].iter_rows(
        min_row=20, max_row=40
    ):
        assert all(cell.data_type != "f" for cell in cells)
    values = [row["value"] for row in found if row["statistic"] == "pearson"]
    expected = arrays["pearson/value"].ravel()
    np.testing.assert_allclose([np.nan if v is None else v for v in values], expected)
    about = {row[0]: row[1] for row in book["About"].iter_rows(values_only=True)}
    assert about["method"] == record.meta["method"] and "sparse autoencoder" in about["methods"]


def test_json_is_the_whole_run(run: Commands, named: Made, tmp_path: Path) -> None:
    record, arrays = stored(named)
    write(run, named, "correlations", tmp_path / "c.json")
    found = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert found["meta"] == json.loads(json.dumps(record.meta))
    assert set(found["arrays"]) == set(arrays)
    for name, array in arrays.items():
        back = np.array(found["arrays"][name], dtype=float)
        np.testing.assert_array_equal(back.reshape(array.shape), array.astype(float))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_anndata_reads_back_tile_by_tile(run: Commands, named: Made, tmp_path: Path) -> None:
    import anndata

    record, arrays = stored(named)
    data = write(run, named, "anndata", tmp_path / "t.h5ad")
    assert (data["n_tiles"], data["n_features"]) == (N_TILES, N_FEATURES)
    back = anndata.read_h5ad(tmp_path / "t.h5ad")
    with Store.open(named.project) as store:
        features = features_of(store, require_current(store))
        expected = features.csc().toarray()
        table = store.cells.get(1)
    np.testing.assert_array_equal(back.X.toarray(), expected)
    np.testing.assert_array_equal(back.varm["pearson_value"], arrays["pearson/value"])
    np.testing.assert_array_equal(back.obs["row"], features.grid.rows)
    assert back.obsm["counts"].sum() == record.meta["n_cells_in_tiles"] < table.n_cells
    assert list(back.uns["count_names"]) == ["Stroma", "Tumour"] and back.var["name"].iloc[3] == "=1+1"
    assert json.loads(back.uns["sparsescope"])["slides"][0]["slide"] == "field.tiff"
    np.testing.assert_allclose(back.obsm["spatial"][0], [16.0, 16.0])


def test_tiles_open_in_place_in_qupath(run: Commands, named: Made, tmp_path: Path) -> None:
    data = write(run, named, "tiles", tmp_path / "t.geojson", named.slide, "--features", "3,7")
    assert data["n_tiles"] == N_TILES
    found = json.loads((tmp_path / "t.geojson").read_text(encoding="utf-8"))["features"]
    with Store.open(named.project) as store:
        features = features_of(store, require_current(store))
    tiles, values = features.column(7)
    for number in (0, 50, N_TILES - 1):
        ring = found[number]["geometry"]["coordinates"][0]
        y, x = features.grid.origins_l0()[number]
        assert ring[0] == ring[4] == [x, y] and ring[2] == [x + 64, y + 64]
        properties = found[number]["properties"]
        assert properties["objectType"] == "tile" and set(properties["classification"]) == {"name", "color"}
        expected = dict(zip(tiles.tolist(), values.tolist(), strict=True)).get(number, 0.0)
        assert properties["measurements"]["SAE 7"] == pytest.approx(expected, abs=1e-6)
        assert {"SAE 3 =1+1", "Cells Tumour", "Cells Stroma"} <= set(properties["measurements"])
    total = sum(tile["properties"]["measurements"]["Cells Tumour"] for tile in found)
    with Store.open(named.project) as store:
        counted = count_cells(store.cells.get(1), features.grid)
    assert total == counted.counts[:, counted.type_names.index("Tumour")].sum() > 0
    assert len(write(run, named, "tiles", tmp_path / "b.geojson", named.slide)["features"]) <= 2


def test_corners_count_from_where_qupath_starts(
    run: Commands, named: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write(run, named, "tiles", tmp_path / "a.geojson", named.slide, "--features", "3")
    plain = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))["features"]

    @contextmanager
    def with_bounds(slide: SlideRecord) -> Iterator[SimpleNamespace]:
        with open_slide(slide) as opened:
            yield SimpleNamespace(info=replace(opened.info, bounds_l0=(40, 24, 500, 700)))

    monkeypatch.setattr(tile_export, "open_slide", with_bounds)
    assert write(run, named, "tiles", tmp_path / "b.geojson", named.slide, "--features", "3") == {
        **whole, "out": str(tmp_path / "b.geojson"),
    }  # fmt: skip
    moved = json.loads((tmp_path / "b.geojson").read_text(encoding="utf-8"))["features"]
    for before, after in zip(plain, moved, strict=True):
        ring = np.array(before["geometry"]["coordinates"][0])
        np.testing.assert_allclose(after["geometry"]["coordinates"][0], ring - (24, 40))
        assert before["properties"] == after["properties"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1", "\uff1d1"]
)
def test_no_text_is_taken_for_a_formula(text: str) -> None:
    assert guarded(text) == "'" + text
    assert guarded("tumour = 1") == "tumour = 1" and guarded("") == ""


@pytest.mark.parametrize("kind", ["correlations", "anndata", "tiles"])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_an_export_that_fails_leaves_the_older_file_whole(
    kind: str, named: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / {"correlations": "c.parquet", "anndata": "c.h5ad", "tiles": "c.geojson"}[kind]
    path.write_bytes(b"older")

    def fail(_descriptor: int) -> None:
        raise OSError("no room")

    monkeypatch.setattr("sae_backend.atomic_write.os.fsync", fail)
    with Store.open(named.project) as store:
        record = store.correlations.latest(require_current(store).sae_digest)
        writers = {
            "correlations": lambda: write_correlations(store, record, path),
            "anndata": lambda: write_anndata(store, record, path),
            "tiles": lambda: tile_export.write_tiles(store, store.slides.get(1), [3], path),
        }
        with pytest.raises(CacheError):
            writers[kind]()
    assert path.read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_nothing_of_a_slide_table_is_in_any_file(run: Commands, chain: Made, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(chain.project, folder)
    with Store.open(folder) as store:
        store.slide_values.set({1: {"Patient ID": "Jane Doe", "site": "Clinic Seven"}})
    words = ("--permutations", 19, "--bootstraps", 19, "--no-baselines", "--method", "pearson")
    said = run("correlate", "--project", folder, *words, "--covariates", "site,cellularity")
    assert said.code == 0, said.err
    made = Made(chain.slide, folder, chain.sae, chain.cells)
    for kind, name in (
        ("correlations", "c.json"), ("correlations", "c.csv"), ("correlations", "c.parquet"), ("methods", "m.txt"),
        ("anndata", "c.h5ad"), ("correlations", "c.xlsx"),
    ):  # fmt: skip
        write(run, made, kind, tmp_path / name)
    write(run, made, "tiles", tmp_path / "t.geojson", chain.slide, "--features", "3")
    texts = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    with zipfile.ZipFile(tmp_path / "c.xlsx") as book:
        texts += [book.read(name) for name in book.namelist()]
    assert len(texts) > 10
    assert (
        not any(secret in text for text in texts for secret in (b"Jane", b"Clinic"))
        and "Jane" not in said.out
    )


def test_the_paragraph_on_methods_says_what_was_run(run: Commands, named: Made, tmp_path: Path) -> None:
    record, _ = stored(named)
    text = write(run, named, "methods", tmp_path / "m.txt")["text"]
    assert (tmp_path / "m.txt").read_text(encoding="utf-8") == text
    for words in (
        "64 px at 0.5 um/px", "control:random-vit", "random weights", "Stroma, Tumour", "nothing was held out",
        "Spearman", "bootstrap-t", "200 draws", "was shifted over its features", "(99 times)", "Benjamini",
        "random SAE", record.sae_digest[:12],
    ):  # fmt: skip
        assert words in text, words


def test_runs_are_chosen_by_name_and_bad_names_are_refused(
    run: Commands, named: Made, tmp_path: Path
) -> None:
    at = ("--project", named.project)
    data = write(run, named, "correlations", tmp_path / "c.csv", "--run", "Run 1")
    assert data["run"] == 1
    refused = run("export", "correlations", *at, "--run", "No such", "--out", tmp_path / "c.csv")
    assert_refused(refused, "no run called 'No such'", "Run 1")
    assert_refused(run("export", "correlations", *at, "--out", tmp_path / "c.doc"), ".doc", ".xlsx")
    assert_refused(run("export", "anndata", *at, "--out", tmp_path / "c.h5"), ".h5ad")
    assert_refused(run("export", "methods", *at, "--out", tmp_path / "c.pdf"), ".txt")
    assert_refused(run("export", "tiles", named.slide, *at, "--features", N_FEATURES, "--out", tmp_path / "t.json"),
                   f"no feature {N_FEATURES}")  # fmt: skip
    assert_refused(run("export", "tiles", "other.svs", *at, "--out", tmp_path / "t.json"), "field.tiff")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_the_half_of_every_tile_stands_beside_it(tmp_path: Path) -> None:
    import anndata

    from desktop_app.export.anndata import write_anndata

    run = make_project(tmp_path / "world", WorldChoice(n_draws=20, baselines=False))
    with Store.open(tmp_path / "world") as store:
        write_anndata(store, run, tmp_path / "t.h5ad")
        counted = run.meta["n_tiles"]
    back = anndata.read_h5ad(tmp_path / "t.h5ad")
    halves = back.obs.groupby("slide", observed=True)["half"].nunique()
    assert set(back.obs["half"]) == {"choose", "report"} and (halves == 1).all()
    assert (back.obs["half"] == "report").sum() == counted
    assert not back.uns["cells_changed_since_the_run"]
    column = list(back.uns["count_names"]).index("plasma cell")
    reporting = (back.obs["half"] == "report").to_numpy()
    r = np.corrcoef(back.X[reporting][:, [8]].toarray()[:, 0], back.obsm["counts"][reporting, column])[0, 1]
    place = list(back.uns["type_names"]).index("plasma cell")
    assert r == pytest.approx(back.varm["pearson_value"][8, place], abs=1e-9)
