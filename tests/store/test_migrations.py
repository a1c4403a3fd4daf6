"""Revisions: the oldest file still opens, the tables match, an upgrade keeps a copy."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from desktop_app.store import Store, upgrade
from desktop_app.store.tables import metadata
from sae_backend.errors import StoreError

ASSETS = Path(__file__).parent / "assets"
NEWER = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "0003"


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
        (slide,) = store.slides()
        assert (slide.name, slide.mpp, slide.mpp_source) == ("example.svs", 0.25, "user")
        assert store.sae("sae-1").card == {"layer": 3, "width": 512}
        analysis = store.current_analysis(slide.id)
        assert (analysis.sae_digest, analysis.counts) == ("sae-1", {"ok": 12})
        note = store.annotation("sae-1", 7)
        assert (note.name, note.tags, note.confidence, note.revision) == ("Gland lumen", ("gland",), 4, 2)
        assert [line.author for line in store.history("sae-1", 7)] == ["Ada"] * 4
        np.testing.assert_array_equal(store.cells(slide.id).y_l0, [1.5, 2999.25])
        (row,) = store.correlation_rows(store.latest_correlation("sae-1").id)
        assert (row.cell_type, row.value, row.ci_low, row.unit) == ("Tumor", 0.5, None, "block of 1 mm")
        assert store.setting("theme") == "dark"
        assert store.annotate("sae-1", 7, status="reviewed", expected_revision=2).author == "Grace"
        assert store.restore("sae-1", 7, 1).name == "Lumen"


def test_a_project_of_revision_0002_opens_with_all_it_holds(tmp_path: Path) -> None:
    shutil.copyfile(ASSETS / "0002.sqlite", tmp_path / "project.sqlite")
    with Store.open(tmp_path, author="Grace") as store:
        (slide,) = store.slides()
        note = store.annotation("sae-2", 3)
        assert (note.name, note.concept, note.nature, note.polysemantic) == (
            "Crypts",
            "gland",
            "biological",
            True,
        )
        assert [(c.text, c.author) for c in store.comments("sae-2")] == [("Seen at the edge too.", "Ada")]
        (example,) = store.examples("sae-2")
        assert (example.slide_fingerprint, example.y_l0, example.width_l0) == (
            slide.fingerprint,
            448.0,
            224.0,
        )
        (region,) = store.regions(slide.id)
        assert (region.name, region.kind, region.polygons_l0[0][0][0]) == (
            "Follicle",
            "polygon",
            (10.0, 20.0),
        )
        assert [
            (known.name, [ref.index for ref in known.features]) for known in store.feature_lists("sae-2")
        ] == [("ask Bob", [3])]
        assert [line.author for line in store.history("sae-2", 3)] == ["Ada"] * len(store.history("sae-2", 3))
        assert store.slide_values() == {}
        store.set_slide_values({slide.id: {"patient": "P1"}})
    (copy,) = tmp_path.glob("project.backup-0002-*.sqlite")
    assert upgrade.read_revision(copy) == "0002"
    with Store.open(tmp_path) as store:
        assert store.slide_values() == {slide.id: {"patient": "P1"}}


def test_the_migrations_make_the_tables_that_the_code_uses(store: Store) -> None:
    with store._database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").scalars()
        statements = "\n".join(made)
    for table in metadata.tables.values():
        for constraint in table.constraints:
            assert constraint.name is not None and f"CONSTRAINT {constraint.name} " in statements
    assert "WITHOUT ROWID" in statements


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
        assert store.annotation("sae-1", 7).name == "Gland lumen"
        assert store.setting("theme") == "dark"
    with closing(sqlite3.connect(old_project / "project.sqlite")) as connection:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(settings)")]
    assert columns == ["key", "value"]
