"""Making, opening and refusing projects."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from desktop_app.store import Store, upgrade
from desktop_app.store.engine import journal_mode, sqlite_errors, store_error
from sae_backend.errors import StoreError


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def make(folder: Path) -> Path:
    with Store.create(folder) as store:
        store.annotations.set("sae", 1, name="Stroma")
    return folder / "project.sqlite"


def test_a_project_keeps_its_settings_and_has_a_cache(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a" / "b", author="Ada") as store:
        assert store.folder == tmp_path / "a" / "b"
        assert store.cache_dir == store.folder / "cache" and store.cache_dir.is_dir()
        assert store.settings.get("theme") is None
        store.settings.set("theme", "dark")
        store.settings.set("theme", "light")
    shutil.rmtree(store.cache_dir)
    with Store.open(tmp_path / "a" / "b") as store:
        assert store.settings.get("theme") == "light"
        assert store.cache_dir.is_dir()
        assert store.author


def test_the_connection_is_set_up_for_safety(store: Store) -> None:
    with store._database.read() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("foreign_keys", "synchronous", "journal_mode")
        }
    expected = journal_mode(sqlite3.sqlite_version_info).lower()
    assert pragma == {"foreign_keys": 1, "synchronous": 2, "journal_mode": expected}


def test_wal_only_where_sqlite_is_new_enough() -> None:
    assert [journal_mode(v) for v in ((3, 40, 1), (3, 51, 2), (3, 51, 3), (4, 0, 0))] == [
        "DELETE",
        "DELETE",
        "WAL",
        "WAL",
    ]


def test_a_project_is_not_made_over_another(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="holds a project already"):
        Store.create(tmp_path)
    assert contents(tmp_path) == before


def test_a_creation_that_was_cut_off_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "project.sqlite").touch()
    with pytest.raises(StoreError, match="not a Sparsescope project"):
        Store.open(tmp_path)
    with Store.create(tmp_path) as store:
        assert store.slides.all() == []


@pytest.mark.parametrize("kind", ["missing", "empty folder", "a file"])
def test_what_is_no_project_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "p"
    if kind == "empty folder":
        folder.mkdir()
    elif kind == "a file":
        folder.write_text("hello")
    with pytest.raises(StoreError, match="not a Sparsescope project") as caught:
        Store.open(folder)
    assert caught.value.hint
    assert kind != "empty folder" or list(folder.iterdir()) == []


def test_the_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "project.sqlite")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.commit()
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="not a Sparsescope project"):
        Store.open(tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_newer_project_is_refused_byte_for_byte(tmp_path: Path, mode: str) -> None:
    file = make(tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.commit()
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="newer version") as caught:
        Store.open(tmp_path)
    assert "newest version" in caught.value.hint
    assert contents(tmp_path) == before


def test_a_newer_project_whose_writer_was_killed_is_refused_untouched(tmp_path: Path) -> None:
    file = make(tmp_path / "live")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        cut_off(connection, file, tmp_path / "killed")
        connection.execute("ROLLBACK")
    before = contents(tmp_path / "killed")
    assert "project.sqlite-journal" in before
    with pytest.raises(StoreError, match="newer version"):
        Store.open(tmp_path / "killed")
    assert contents(tmp_path / "killed") == before


def test_a_transaction_that_was_cut_off_is_rolled_back(tmp_path: Path) -> None:
    file = make(tmp_path / "live")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        cut_off(connection, file, tmp_path / "killed")
        connection.execute("ROLLBACK")
    with Store.open(tmp_path / "killed") as store:
        assert store.annotations.get("sae", 1).name == "Stroma"


def cut_off(connection: sqlite3.Connection, file: Path, target: Path) -> None:
    """Copy a project as it lies on the disk in the middle of a transaction that has spilled."""
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE annotations SET name = 'half written', description = ?", ("x" * 500_000,))
    target.mkdir()
    for part in file.parent.glob("project.sqlite*"):
        shutil.copy(part, target / part.name)


@pytest.mark.parametrize("damage", ["garbage", "cut short", "zeroed page"])
def test_a_damaged_file_is_reported_and_left_alone(tmp_path: Path, damage: str) -> None:
    file = make(tmp_path)
    raw = file.read_bytes()
    if damage == "garbage":
        file.write_bytes(b"\x07garbage" * 1000)
    elif damage == "cut short":
        file.write_bytes(raw[: len(raw) // 2])
    else:
        with closing(sqlite3.connect(file)) as connection:
            (page,) = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'annotations'"
            ).fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        file.write_bytes(raw[: (page - 1) * size] + bytes(size) + raw[page * size :])
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="damaged") as caught:
        Store.open(tmp_path)
    assert "copy" in caught.value.hint
    assert contents(tmp_path) == before


def test_a_folder_that_is_a_file_cannot_hold_a_project(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="cannot be written"):
            Store.create(folder)
    assert (tmp_path / "file").read_text() == "hello"


def test_a_cache_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        Store.open(tmp_path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    # Not tmp_path: that lies in a folder which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="sparsescope-test-"))
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    shutil.rmtree(folder)


@pytest.fixture
def not_root() -> Iterator[None]:
    """Permissions do not bind root, so be somebody else for a while."""
    if os.name == "nt":
        pytest.skip("Windows keeps permissions in another way")
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.parametrize("read_only", ["folder", "file"])
def test_a_read_only_project_is_refused_at_once(open_folder: Path, not_root: None, read_only: str) -> None:
    user = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    file = make(open_folder)
    before = contents(open_folder)
    if os.getuid() == 0:
        os.chown(open_folder, user, -1)
        os.chown(file, user, -1)
    (open_folder if read_only == "folder" else file).chmod(0o555 if read_only == "folder" else 0o444)
    os.seteuid(user)
    with pytest.raises(StoreError, match="cannot be written") as caught:
        Store.open(open_folder)
    assert "may write" in caught.value.hint
    assert contents(open_folder) == before


def test_a_connection_that_turns_read_only_is_reported_and_nothing_is_lost(store: Store) -> None:
    store.annotations.set("sae", 1, name="Stroma")
    with store._database.read() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    with pytest.raises(StoreError, match="cannot be written"):
        store.annotations.set("sae", 1, name="Gland")
    assert store.annotations.get("sae", 1).name == "Stroma"


def test_a_full_disk_is_reported_and_nothing_is_lost(store: Store) -> None:
    store.annotations.set("sae", 1, name="Stroma")
    with store._database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="disk is full"):
        store.annotations.set("sae", 1, description="x" * 1_000_000)
    assert store.annotations.get("sae", 1).description == ""
    assert store.annotations.set("sae", 1, confidence=3).confidence == 3


def test_a_busy_project_is_reported(store: Store) -> None:
    with store._database.read() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=10")
    with closing(sqlite3.connect(store.folder / "project.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="Another program is writing"):
            store.annotations.set("sae", 1, name="Gland")
    assert store.annotations.set("sae", 1, name="Gland").revision == 1


def test_every_refusal_has_a_hint() -> None:
    for code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE):
        error = sqlite3.OperationalError("some reason")
        error.sqlite_errorcode = code
        mapped = store_error(error, Path("p/project.sqlite"))
        assert "some reason" in mapped.sentence and mapped.hint


def test_errors_of_other_origin_are_not_hidden() -> None:
    foreign = OperationalError("SELECT 1", None, ValueError("a bug"))
    with pytest.raises(OperationalError), sqlite_errors(Path("p/project.sqlite")):
        raise foreign


def test_a_closed_store_and_another_thread_are_refused(store: Store) -> None:
    caught: list[StoreError] = []

    def use() -> None:
        try:
            store.slides.all()
        except StoreError as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "thread" in caught[0].sentence
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.slides.all()


def test_migrations_travel_with_the_package() -> None:
    import desktop_app.store

    assert upgrade.MIGRATIONS.is_relative_to(Path(desktop_app.store.__file__).parent)
    assert (upgrade.MIGRATIONS / "versions" / "revision_0001.py").is_file()
