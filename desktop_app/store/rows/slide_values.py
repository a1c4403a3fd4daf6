"""What is known of slides beside their pixels: patient, site, group and whatever else a table says."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from desktop_app.store import tables
from desktop_app.store.encoding.plain import checked_text, now_utc
from desktop_app.store.engine import Rows
from sae_backend.errors import StoreError, UserInputError

_T = tables.slide_values


class SlideValueRows(Rows):
    """Values of slides. They can name patients and are never exported."""

    def all(self) -> dict[int, dict[str, str]]:
        """Texts by key of every slide that has any, by the slide's id."""
        found: dict[int, dict[str, str]] = {}
        with self._database.read() as connection:
            for row in connection.execute(select(_T).order_by(_T.c.slide_id, _T.c.key)):
                found.setdefault(row.slide_id, {})[row.key] = row.text
        return found

    def keys(self) -> tuple[str, ...]:
        """Keys of which at least one slide has a value, in alphabetical order."""
        with self._database.read() as connection:
            keys = connection.execute(select(_T.c.key).distinct()).scalars().all()
        return tuple(sorted(keys, key=lambda key: (key.casefold(), key)))

    def set(self, values: Mapping[int, Mapping[str, str]]) -> None:
        """Store texts by key and slide's id; all of it happens, or nothing.

        A key that is not given keeps its text, an empty text removes the key. Author and time change
        only where the text does.

        Raises
        ------
        StoreError
            When the project has no such slide, or cannot be written.
        UserInputError
            When a key is empty or a text cannot be stored.
        """
        changes = [
            (slide_id, _key(key), checked_text("value", text).strip())
            for slide_id, texts in values.items()
            for key, text in texts.items()
        ]
        at = now_utc()
        gone = [(slide_id, key) for slide_id, key, text in changes if not text]
        rows = [
            {"slide_id": slide_id, "key": key, "text": text, "author": self._database.author, "at": at}
            for slide_id, key, text in changes
            if text
        ]
        with self._database.write() as connection:
            known = set(connection.execute(select(tables.slides.c.id)).scalars())
            if not known.issuperset(values):
                raise StoreError("The project has no such slide.", "Add the slide to the project first.")
            for slide_id, key in gone:
                connection.execute(delete(_T).where(_T.c.slide_id == slide_id, _T.c.key == key))
            if rows:
                given = insert(_T)
                new = given.excluded
                connection.execute(
                    given.on_conflict_do_update(
                        index_elements=[_T.c.slide_id, _T.c.key],
                        set_={"text": new.text, "author": new.author, "at": new.at},
                        where=_T.c.text != new.text,
                    ),
                    rows,
                )


def _key(key: str) -> str:
    clean = checked_text("name of a column", key).strip()
    if not clean:
        raise UserInputError("A column has no name.", "Give every column of the table a name.")
    return clean
