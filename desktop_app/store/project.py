"""The store of one project: a folder with `project.sqlite` and `cache/`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Final, Self

from desktop_app.store import upgrade
from desktop_app.store.engine import Database, read_only_error
from desktop_app.store.rows.analyses import AnalysisRows
from desktop_app.store.rows.annotations import AnnotationRows
from desktop_app.store.rows.cell_edits import CellEditRows
from desktop_app.store.rows.cells import CellRows
from desktop_app.store.rows.comments import CommentRows, ExampleRows
from desktop_app.store.rows.correlations import CorrelationRows
from desktop_app.store.rows.lists import ListRows
from desktop_app.store.rows.regions import RegionRows
from desktop_app.store.rows.settings import ClassMapRows, SettingRows
from desktop_app.store.rows.slide_values import SlideValueRows
from desktop_app.store.rows.slides import SaeRows, SlideRows
from desktop_app.store.rows.splits import SplitRows
from desktop_app.store.rows.studies import StudyRows
from desktop_app.store.rows.tile_values import TileValueRows
from sae_backend.errors import StoreError

DATABASE_NAME: Final = "project.sqlite"
CACHE_NAME: Final = "cache"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user id that has no name.
        return "unknown"


class Store:
    """All that a project remembers. Made by `create` or `open`; belongs to the thread that made it.

    Each subject is a part with a name: `store.slides.all()`, `store.annotations.set(...)`.

    Parameters
    ----------
    folder
        The project's folder, whose database exists and is of the newest revision.
    author
        Name under which changes are recorded; None takes the system's user name.
    """

    def __init__(self, folder: Path, author: str | None = None) -> None:
        self.folder = folder
        self.cache_dir = folder / CACHE_NAME
        self._database = database = Database(folder / DATABASE_NAME, author or _user())
        self.slides = SlideRows(database)
        self.slide_values = SlideValueRows(database)
        self.saes = SaeRows(database)
        self.analyses = AnalysisRows(database)
        self.annotations = AnnotationRows(database)
        self.comments = CommentRows(database)
        self.examples = ExampleRows(database)
        self.lists = ListRows(database)
        self.regions = RegionRows(database)
        self.cells = CellRows(database)
        self.cell_edits = CellEditRows(database)
        self.class_map = ClassMapRows(database)
        self.tile_values = TileValueRows(database)
        self.splits = SplitRows(database)
        self.correlations = CorrelationRows(database)
        self.studies = StudyRows(database)
        self.settings = SettingRows(database)
        try:
            self._check_writable()
            self.cache_dir.mkdir(exist_ok=True)
        except OSError as error:
            self._database.dispose()
            raise read_only_error(folder) from error
        except StoreError:
            self._database.dispose()
            raise

    @classmethod
    def create(cls, folder: Path, author: str | None = None) -> Self:
        """Make a new project, and its folder where there is none.

        Raises
        ------
        StoreError
            When there is a project already or the folder cannot be written.
        """
        folder = Path(folder).absolute()
        file = folder / DATABASE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # An empty file is what a creation leaves that was killed before its first commit.
            taken = file.exists() and file.stat().st_size > 0
        except OSError as error:
            raise read_only_error(folder) from error
        if taken:
            raise StoreError(f"{folder} holds a project already.", "Open it, or choose another folder.")
        upgrade.migrate(file)
        return cls(folder, author)

    @classmethod
    def open(cls, folder: Path, author: str | None = None) -> Self:
        """Open a project, bringing an older one up to date after making a copy of it.

        Raises
        ------
        StoreError
            When it is not a project, was made by a newer version (then nothing is changed), cannot
            be written, or is damaged.
        """
        folder = Path(folder).absolute()
        file = folder / DATABASE_NAME
        if not file.is_file() or file.stat().st_size == 0:
            raise StoreError(
                f"{folder} is not a Sparsescope project.",
                "Choose a folder that has a project.sqlite, or make a new project.",
            )
        upgrade.prepare(file, upgrade.MIGRATIONS)
        return cls(folder, author)

    @property
    def author(self) -> str:
        """Name under which changes are recorded."""
        return self._database.author

    @author.setter
    def author(self, name: str) -> None:
        self._database.author = name

    def _check_writable(self) -> None:
        # SQLite opens a read-only file without a word and refuses only the first change, which
        # would be the user's first annotation. So write a page, and take it back.
        with self._database.write() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id={upgrade.APPLICATION_ID}")
            connection.rollback()

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        self._database.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
