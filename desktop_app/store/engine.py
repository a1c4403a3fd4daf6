"""Connections, transactions, and what SQLite's refusals mean to the user."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from sae_backend.errors import StoreError

_WAL_SAFE: Final = (3, 51, 3)
_BUSY_TIMEOUT_S: Final = 5.0
_CODE_MASK: Final = 0xFF  # the extended codes of SQLite keep the primary one in the low byte


def journal_mode(sqlite_version: tuple[int, int, int]) -> str:
    """WAL only where SQLite is new enough: before 3.51.3 a race in it can corrupt the file."""
    return "WAL" if sqlite_version >= _WAL_SAFE else "DELETE"


def make_engine(file: Path) -> Engine:
    """Engine for one database file, every connection with foreign keys on and full syncing."""
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        # None leaves BEGIN to us: the driver's own would come too late to take the write lock.
        connect_args={"isolation_level": None, "timeout": _BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        try:
            for pragma in (
                "foreign_keys=ON",
                "synchronous=FULL",
                f"journal_mode={journal_mode(sqlite3.sqlite_version_info)}",
            ):
                connection.execute(f"PRAGMA {pragma}").close()
        except sqlite3.Error:
            # The pool has not seen this connection yet, so nobody else would close it.
            connection.close()
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def store_error(error: sqlite3.Error, file: Path) -> StoreError:
    """Return the error for the user that stands for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _CODE_MASK
    project = file.parent
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(
                f"Another program is writing to the project {project.name}.",
                "Wait until it has finished, or close the other window, and try again.",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return read_only_error(project)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged_error(file)
        case sqlite3.SQLITE_FULL:
            return StoreError(
                f"The disk is full; the project {project.name} was left as it was.",
                "Free some space and save again.",
            )
        case sqlite3.SQLITE_IOERR:
            return StoreError(
                f"The disk failed while {file.name} was in use: {error}.",
                "Check the disk or the network drive, then open the project again.",
            )
        case sqlite3.SQLITE_CONSTRAINT:
            return StoreError(
                f"The project refused a change that contradicts what it holds ({error}).",
                "Open the project again; if this repeats, report it with this message.",
            )
    return StoreError(f"The project {project.name} cannot be used: {error}.", "Check the file and its disk.")


def read_only_error(folder: Path) -> StoreError:
    """Return the error for a project folder that cannot be written."""
    return StoreError(
        f"The project folder {folder} cannot be written.",
        "Copy the project to a folder that you may write to and open it there.",
    )


def damaged_error(file: Path) -> StoreError:
    """Return the error for a database file that is not sound."""
    return StoreError(
        f"{file.name} in {file.parent} is damaged.",
        "Nothing was changed. Return to window a copy (project.backup-*.sqlite in the same folder, or your own).",
    )


@contextmanager
def sqlite_errors(file: Path) -> Iterator[None]:
    """Turn SQLite's errors, bare or wrapped by SQLAlchemy, into `StoreError`."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise store_error(error.orig, file) from error
        raise
    except sqlite3.Error as error:
        raise store_error(error, file) from error


class Database:
    """Transactions on one file, for the thread that made it.

    Parameters
    ----------
    file
        The database.
    author
        Name under which changes are recorded from now on.
    """

    def __init__(self, file: Path, author: str = "") -> None:
        self.author = author
        self._file = file
        self._thread = threading.get_ident()
        self._engine: Engine | None = make_engine(file)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Transaction that sees one consistent state."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Transaction that is the only writer; all of it happens, or nothing."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        if self._engine is None:
            raise StoreError("The project is closed.", "Open it again.")
        if threading.get_ident() != self._thread:
            raise StoreError(
                "The project was used from another thread than its own.",
                "Open the project again in that thread.",
            )
        with (
            sqlite_errors(self._file),
            self._engine.connect() as connection,
            connection.execution_options(begin=begin).begin(),
        ):
            yield connection

    def dispose(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


class Rows:
    """A part of a store: the rows of one subject. Every method is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
