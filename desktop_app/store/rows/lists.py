"""Named lists of features; the bookmarks are one of them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, delete, insert, select, true, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import checked_text, now_utc
from desktop_app.store.engine import Rows
from desktop_app.store.records.annotation_records import FeatureRef
from desktop_app.store.records.records import BOOKMARKS, FeatureListRecord
from desktop_app.store.rows.annotations import checked_feature
from sae_backend.errors import StoreError, UserInputError

_L, _E = tables.feature_lists, tables.feature_list_entries


class ListRows(Rows):
    """Lists of features."""

    def of_sae(self, sae_digest: str) -> list[FeatureListRecord]:
        """All lists with their features of one SAE, the bookmarks first, then by name."""
        found = self._read_lists(_E.c.sae_digest == sae_digest)
        return sorted(found, key=lambda known: (known.name != BOOKMARKS, known.name.casefold()))

    def all(self) -> list[FeatureListRecord]:
        """All lists with their features of every SAE, by name."""
        return sorted(self._read_lists(true()), key=lambda known: known.name)

    def _read_lists(self, which: ColumnElement[bool]) -> list[FeatureListRecord]:
        """All lists with those of their entries that fit, in the order in which they were added."""
        with self._database.read() as connection:
            found = list(connection.execute(select(_L)))
            order = (_E.c.at, _E.c.sae_digest, _E.c.feature)
            entries = list(connection.execute(select(_E).where(which).order_by(*order)))
        return [
            FeatureListRecord(
                row.name, row.author, row.at,
                tuple(FeatureRef(e.sae_digest, e.feature) for e in entries if e.list_id == row.id),
            )
            for row in found
        ]  # fmt: skip

    def merge(self, lists: Iterable[FeatureListRecord]) -> int:
        """Put features into the lists of the same name; returns how many were not in them.

        Somebody else's bookmarks become a list of their own.
        """
        before = sum(len(known.features) for known in self.all())
        for given in lists:
            name = given.name
            if name == BOOKMARKS and given.author != self._database.author:
                name = f"{BOOKMARKS} of {given.author or 'somebody'}"
            for digest in dict.fromkeys(ref.sae_digest for ref in given.features):
                self.add(name, digest, [r.index for r in given.features if r.sae_digest == digest])
        return sum(len(known.features) for known in self.all()) - before

    def add(self, name: str, sae_digest: str, features: list[int]) -> None:
        """Put features into a list, making it where there is none; those in it already stay.

        Raises
        ------
        UserInputError
            When the list has no name.
        """
        title = checked_text("name", name).strip()
        if not title:
            raise UserInputError("The list has no name.", "Give it one.")
        indices = list(dict.fromkeys(checked_feature(feature) for feature in features))
        with self._database.write() as connection:
            number = _number(connection, title)
            if number is None:
                connection.execute(insert(_L).values(name=title, author=self._database.author, at=now_utc()))
                number = _number(connection, title)
            inside = select(_E.c.feature).where(_E.c.list_id == number, _E.c.sae_digest == sae_digest)
            known = set(connection.execute(inside).scalars())
            rows = [
                {"list_id": number, "sae_digest": sae_digest, "feature": index, "at": now_utc()}
                for index in indices
                if index not in known
            ]
            if rows:
                connection.execute(insert(_E), rows)

    def remove(self, name: str, sae_digest: str, features: list[int]) -> None:
        """Take features out of a list; those that are not in it are passed over."""
        with self._database.write() as connection:
            number = _number(connection, name)
            connection.execute(
                delete(_E).where(
                    _E.c.list_id == number, _E.c.sae_digest == sae_digest, _E.c.feature.in_(features)
                )
            )

    def rename(self, name: str, new_name: str) -> None:
        """Call a list something else.

        Raises
        ------
        StoreError
            When there is no such list, or another one has the name.
        """
        title = checked_text("name", new_name).strip()
        if not title or name == BOOKMARKS:
            raise UserInputError("This list cannot be renamed so.", "Give a new name to a list of yours.")
        with self._database.write() as connection:
            if _number(connection, title) is not None:
                raise StoreError(f"There is a list named {title} already.", "Choose another name.")
            if connection.execute(update(_L).where(_L.c.name == name).values(name=title)).rowcount == 0:
                raise StoreError(f"There is no list named {name}.", "Choose one of the lists.")

    def delete(self, name: str) -> None:
        """Delete a list; what was written about its features stays."""
        with self._database.write() as connection:
            number = _number(connection, name)
            connection.execute(delete(_E).where(_E.c.list_id == number))
            connection.execute(delete(_L).where(_L.c.id == number))

    def set_bookmark(self, sae_digest: str, feature: int, *, on: bool) -> None:
        """Bookmark a feature, or take the bookmark away."""
        if on:
            self.add(BOOKMARKS, sae_digest, [feature])
        else:
            self.remove(BOOKMARKS, sae_digest, [feature])

    def bookmarks(self, sae_digest: str) -> frozenset[int]:
        """Features of an SAE that are bookmarked."""
        for known in self.of_sae(sae_digest):
            if known.name == BOOKMARKS:
                return frozenset(ref.index for ref in known.features)
        return frozenset()


def _number(connection: Connection, name: str) -> int | None:
    return connection.execute(select(_L.c.id).where(_L.c.name == name)).scalar()
