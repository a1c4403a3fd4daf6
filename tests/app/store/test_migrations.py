"""Revisions: the oldest file still opens, the tables match, an upgrade keeps a copy."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from desktop_app.store import CorrelationRow, Store, upgrade
from desktop_app.store.tables import metadata
from sae_backend.errors import StoreError

ASSETS = Path(__file__).parent / "assets"
NEWER = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("settings", sa.Column("note", sa.Text()))
"""


@pytest.fixture
def old_project(tmp_path: Path) -> Path:
    folder = tmp_path / "100% old"
    folder.mkdir()
    shutil.copyfile(ASSETS / "0001.sqlite", folder / "project.sqlite")
    return folder


@pytest.fixture
def newer_migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "100% new migrations"
    shutil.copytree(upgrade.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "revision_9999.py").write_text(NEWER)
    return folder


def test_a_project_of_revision_0001_opens_with_all_it_holds(old_project: Path) -> None:
    with Store.open(old_project, author="Grace") as store:
        (slide,) = store.slides.all()
        assert (slide.name, slide.mpp, slide.mpp_source) == ("example.svs", 0.25, "user")
        assert store.saes.get("sae-1").card == {"layer": 3, "width": 512}
        analysis = store.analyses.current(slide.id)
        assert (analysis.sae_digest, analysis.counts) == ("sae-1", {"ok": 12})
        note = store.annotations.get("sae-1", 7)
        assert (note.name, note.tags, note.confidence, note.revision) == ("Gland lumen", ("gland",), 4, 2)
        assert [line.author for line in store.annotations.history("sae-1", 7)] == ["Ada"] * 4
        np.testing.assert_array_equal(store.cells.get(slide.id).y_l0, [1.5, 2999.25])
        (row,) = store.correlations.rows(store.correlations.latest("sae-1").id)
        assert (row.cell_type, row.value, row.ci_low, row.unit) == ("Tumor", 0.5, None, "block of 1 mm")
        assert store.settings.get("theme") == "dark"
        assert store.annotations.set("sae-1", 7, status="reviewed", expected_revision=2).author == "Grace"
        assert store.annotations.restore("sae-1", 7, 1).name == "Lumen"


def test_a_project_of_revision_0002_opens_with_all_it_holds(tmp_path: Path) -> None:
    shutil.copyfile(ASSETS / "0002.sqlite", tmp_path / "project.sqlite")
    with Store.open(tmp_path, author="Grace") as store:
        (slide,) = store.slides.all()
        note = store.annotations.get("sae-2", 3)
        assert (note.name, note.concept, note.nature, note.polysemantic) == (
            "Crypts",
            "gland",
            "biological",
            True,
        )
        assert [(c.text, c.author) for c in store.comments.all("sae-2")] == [("Seen at the edge too.", "Ada")]
        (example,) = store.examples.all("sae-2")
        assert (example.slide_fingerprint, example.y_l0, example.width_l0) == (
            slide.fingerprint,
            448.0,
            224.0,
        )
        (region,) = store.regions.all(slide.id)
        assert (region.name, region.kind, region.polygons_l0[0][0][0]) == (
            "Follicle",
            "polygon",
            (10.0, 20.0),
        )
        assert [
            (known.name, [ref.index for ref in known.features]) for known in store.lists.of_sae("sae-2")
        ] == [("ask Bob", [3])]
        assert [line.author for line in store.annotations.history("sae-2", 3)] == ["Ada"] * len(
            store.annotations.history("sae-2", 3)
        )
        assert store.slide_values.all() == {}
        store.slide_values.set({slide.id: {"patient": "P1"}})
    (copy,) = tmp_path.glob("project.backup-0002-*.sqlite")
    assert upgrade.read_revision(copy) == "0002"
    with Store.open(tmp_path) as store:
        assert store.slide_values.all() == {slide.id: {"patient": "P1"}}


META_3 = {
    "n_tiles": 400,
    "n_slides": 2,
    "n_clusters": 25,
    "unit": "block of 1 mm",
    "method": "block bootstrap",
    "notes": ["two slides only"],
    "type_names": ["Immune cells", "Tumor"],
}
REASONS_3 = {2: "constant feature", 4: "too few active tiles"}


def rows_of_0003() -> list[CorrelationRow]:
    """The rows that were stored in that project, by the rule that they were made by."""
    rows = []
    for place, statistic in enumerate(("pearson", "spearman")):
        for feature in range(6):
            for column, name in enumerate(META_3["type_names"]):
                r = round(math.sin(1 + feature * 2 + column + place * 0.1), 6)
                numbers = (
                    (r, r - 0.1, r + 0.1, 0.01 * (feature + 1), 1 / 3) if feature != 5
                    else (r, None, None, 0.06, 1 / 3)
                )  # fmt: skip
                reason = REASONS_3.get(feature, "")
                rows.append(
                    CorrelationRow(
                        feature, name, 400, 2, statistic, *((None,) * 5 if reason else numbers),
                        "block bootstrap", "block of 1 mm", reason,
                    )
                )  # fmt: skip
    return rows


def test_a_project_of_revision_0003_opens_with_all_it_holds(tmp_path: Path) -> None:
    shutil.copyfile(ASSETS / "0003.sqlite", tmp_path / "project.sqlite")
    with Store.open(tmp_path, author="Grace") as store:
        one, two = store.slides.all()
        assert store.slide_values.all() == {
            one.id: {"patient": "P1", "site": "north"},
            two.id: {"patient": "P2"},
        }
        old, new = store.cells.imports(one.id)
        assert (old.source_name, old.notes, old.current) == ("old.csv", ("first",), False)
        assert (new.n_cells, new.type_counts, new.current) == (40, {"Tumor": 20, "Immune cells": 20}, True)
        assert (new.author, new.assumed, new.measure_names, new.n_outline_points) == ("", {}, (), None)
        cells = store.cells.get(one.id)
        np.testing.assert_array_equal(cells.y_l0, np.arange(40) * 7.25 + 0.5)
        np.testing.assert_array_equal(cells.type_index, np.arange(40) % 2)
        assert cells.outlines is None and cells.measures == {}
        store.cells.choose(old.id)
        assert store.cells.get(one.id).n_cells == 3 and store.cells.get(two.id).n_cells == 5
        full, few, empty = store.correlations.all()
        assert (full.name, few.name, empty.name) == ("Run 1", "Run 2", "Run 3")
        assert (len(full.analysis_ids), full.cells, full.split_id) == (2, {}, None)
        assert full.spec == {"seed": 0, "n_bootstrap": 200}
        assert full.meta == {
            **META_3, "statistics": ["pearson", "spearman"], "reasons": ["", *REASONS_3.values()],
        }  # fmt: skip
        assert store.correlations.rows(full.id) == rows_of_0003()
        assert store.correlations.arrays(full.id, ["pearson/value"])["pearson/value"].shape == (6, 2)
        none = (None, None, None)
        assert store.correlations.rows(few.id) == [
            CorrelationRow(
                1, "Stroma", 380, 1, "spearman", None, None, *none, "plain", "slide", "too few cells"
            ),
            CorrelationRow(9, "Tumor", 400, 1, "spearman", 0.25, None, *none, "plain", "slide"),
            CorrelationRow(1, "Stroma", 400, 1, "pearson", -0.5, None, None, 0.5, None, "plain", "slide"),
        ]
        assert (few.meta["n_tiles"], few.meta["method"], few.meta["n_clusters"]) == (400, "plain", 4)
        assert store.correlations.latest("sae-9") == empty and store.correlations.rows(empty.id) == []
        assert store.annotations.get("sae-3", 2).name == "Mitoses" and store.settings.get("theme") == "dark"
        with store._database.read() as connection:
            tables = set(
                connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars()
            )
            assert "correlation_rows" not in tables
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []
    (copy,) = tmp_path.glob("project.backup-0003-*.sqlite")
    assert upgrade.read_revision(copy) == "0003"


def test_a_project_of_revision_0004_opens_with_all_it_holds(tmp_path: Path) -> None:
    shutil.copyfile(ASSETS / "0004.sqlite", tmp_path / "project.sqlite")
    with Store.open(tmp_path, author="Grace") as store:
        one, two = store.slides.all()
        assert (one.name, two.name) == ("slide-0.tif", "slide-1.tif")
        # One of 53 was deleted and one added by hand.
        assert (store.cells.get(one.id).n_cells, store.cells.get(two.id).n_cells) == (53, 64)
        assert store.cells.version(one.id) == "1-02e405bd2fe777a8"
        assert store.splits.current().assignments == {"a": "choose", "b": "report"}
        (run,) = store.correlations.all()
        arrays = store.correlations.arrays(run.id)
        assert len(arrays) == 19
        assert np.nansum(arrays["pearson/value"]) == pytest.approx(-0.6731675084713491, abs=1e-12)
        note = store.annotations.get(run.sae_digest, 4)
        assert (note.name, note.concept) == ("Nests", "tumour")
        assert store.studies.all() == []
    (copy,) = tmp_path.glob("project.backup-0004-*.sqlite")
    assert upgrade.read_revision(copy) == "0004"


def test_the_migrations_make_the_tables_that_the_code_uses(store: Store) -> None:
    with store._database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").scalars()
        statements = "\n".join(made)
    for table in metadata.tables.values():
        for constraint in table.constraints:
            assert constraint.name is not None and f"CONSTRAINT {constraint.name} " in statements


def test_an_upgrade_keeps_a_copy_of_the_older_file(old_project: Path, newer_migrations: Path) -> None:
    file = old_project / "project.sqlite"
    upgrade.prepare(file, newer_migrations)
    assert upgrade.read_revision(file) == "9999"
    (copy,) = old_project.glob("project.backup-0001-*.sqlite")
    assert upgrade.read_revision(copy) == "0001"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT name FROM annotations").fetchall() == [("Gland lumen",)]
    upgrade.prepare(file, newer_migrations)
    assert len(list(old_project.glob("project.backup-*"))) == 1, "no copy where nothing was to be done"
    before = file.read_bytes()
    with pytest.raises(StoreError, match="newer version"):
        Store.open(old_project)
    assert file.read_bytes() == before


def test_an_upgrade_that_fails_leaves_the_older_file_in_use(
    old_project: Path, newer_migrations: Path
) -> None:
    script = newer_migrations / "versions" / "revision_9999.py"
    script.write_text(NEWER + '    raise sa.exc.OperationalError("x", None, ArithmeticError("bug"))\n')
    with pytest.raises(Exception, match="bug"):
        upgrade.prepare(old_project / "project.sqlite", newer_migrations)
    with Store.open(old_project) as store:
        assert store.annotations.get("sae-1", 7).name == "Gland lumen"
        assert store.settings.get("theme") == "dark"
    with closing(sqlite3.connect(old_project / "project.sqlite")) as connection:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(settings)")]
    assert columns == ["key", "value"]
