"""Settings of a project: texts by key."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from desktop_app.store.engine import Database
from desktop_app.store.schema import tables

_T = tables.settings


class SettingRows:
    """The part of a store that knows settings."""

    _database: Database

    def setting(self, key: str) -> str | None:
        """Return a setting of the project, None where it was never set."""
        with self._database.read() as connection:
            return read_setting(connection, key)

    def set_setting(self, key: str, value: str) -> None:
        """Store a setting of the project."""
        with self._database.write() as connection:
            changed = connection.execute(update(_T).where(_T.c.key == key).values(value=value))
            if changed.rowcount == 0:
                connection.execute(insert(_T).values(key=key, value=value))


def read_setting(connection: Connection, key: str) -> str | None:
    """Return a setting as part of a transaction, None where it was never set."""
    return connection.execute(select(_T.c.value).where(_T.c.key == key)).scalar()
