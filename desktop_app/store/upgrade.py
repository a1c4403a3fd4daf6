"""Bring a project file to the newest revision, or refuse it without touching a byte."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from desktop_app.store.engine import Database, damaged_error, sqlite_errors
from sae_backend.errors import StoreError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
APPLICATION_ID: Final = 0x53505343  # "SPSC", in the file's header: tells a project from other databases
_LARGE_TABLES: Final = ("blobs", "cell_arrays", "correlation_arrays", "correlation_rows", "tile_value_arrays")


def prepare(file: Path, migrations: Path = MIGRATIONS) -> None:
    """Check an existing project file and migrate it, keeping a copy of the older one.

    Parameters
    ----------
    file
        The project's database.
    migrations
        Folder of the Alembic scripts.

    Raises
    ------
    StoreError
        When it is not a project, damaged, of a newer version (then left byte for byte), or cannot
        be written.
    """
    # Alembic takes longer to load than a project to open, and a window without a project has no use for it.
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(migrations))
    revision = read_revision(file)
    known = {script.revision for script in scripts.walk_revisions()}
    if revision not in known:
        raise StoreError(
            f"The project {file.parent.name} was made by a newer version of Sparsescope.",
            "Install the newest version to open it. The project was not changed.",
        )
    check_sound(file)
    if revision != scripts.get_current_head():
        back_up(file, revision)
        migrate(file, migrations)


def migrate(file: Path, migrations: Path = MIGRATIONS) -> None:
    """Apply the missing revisions, creating the file where there is none, in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic interpolates its options, so a percent sign in the path has to be doubled.
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    database = Database(file)
    try:
        with database.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    finally:
        database.dispose()


def back_up(file: Path, revision: str) -> Path:
    """Copy the database through SQLite (so that it is consistent) and return the copy's path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    copy = file.with_name(f"project.backup-{revision}-{stamp}.sqlite")
    with (
        sqlite_errors(copy),
        closing(sqlite3.connect(file)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def read_revision(file: Path) -> str:
    """Revision of a project file, read without changing anything beside or in it.

    Raises
    ------
    StoreError
        When it is not a Sparsescope project or damaged.
    """
    with sqlite_errors(file):
        try:
            # In WAL mode even a reader makes files beside the database, unless it is told that
            # nobody else has it open, which the missing log proves.
            journals = [file.with_name(file.name + suffix) for suffix in ("-wal", "-journal")]
            quiet = not any(journal.exists() for journal in journals)
            return _peek(file, file.parent, "mode=ro&immutable=1" if quiet else "mode=ro")
        except sqlite3.OperationalError:
            # A writer was killed and left its journal: SQLite has to roll it back to read the
            # file, so let it do so on a copy.
            with tempfile.TemporaryDirectory(prefix="sparsescope-") as folder:
                for suffix in ("", "-journal", "-wal"):
                    part = file.with_name(file.name + suffix)
                    if part.exists():
                        shutil.copyfile(part, Path(folder) / part.name)
                return _peek(Path(folder) / file.name, file.parent, "mode=rw")


def _peek(file: Path, project: Path, how: str) -> str:
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?{how}", uri=True)) as connection:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        if application_id != APPLICATION_ID:
            raise StoreError(
                f"{project} is not a Sparsescope project.",
                "Its project.sqlite belongs to another program. Choose another folder.",
            )
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise damaged_error(project / "project.sqlite")
    return str(row[0])


def check_sound(file: Path) -> None:
    """Raise `StoreError` where the file is cut short or its pages do not hang together.

    The large tables are left out, so that opening stays quick; reading them finds damage too.
    """
    with sqlite_errors(file), closing(sqlite3.connect(file)) as connection:
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        (page_count,) = connection.execute("PRAGMA page_count").fetchone()
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if name not in _LARGE_TABLES
        ]
        verdicts = [connection.execute(f'PRAGMA quick_check("{table}")').fetchone()[0] for table in tables]
        short = not file.with_name(f"{file.name}-wal").exists() and file.stat().st_size < (
            page_size * page_count
        )
    if short or any(verdict != "ok" for verdict in verdicts):
        raise damaged_error(file)
