"""Comments on features, and the places on slides that stand as their examples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, Table, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import checked_text, now_utc
from desktop_app.store.engine import Database, Rows
from desktop_app.store.records.records import CommentRecord, ExampleRecord
from desktop_app.store.rows.annotations import checked_feature
from sae_backend.errors import StoreError, UserInputError

_C, _E = tables.comments, tables.examples


class CommentRows(Rows):
    """What people said about features. Nothing is deleted, only withdrawn."""

    def add(self, sae_digest: str, feature: int, text: str) -> CommentRecord:
        """Say something about a feature; on return it is on the disk.

        Raises
        ------
        UserInputError
            When the text is empty.
        """
        clean = checked_text("comment", text).strip()
        if not clean:
            raise UserInputError("The comment is empty.", "Write what you want to say.")
        record = CommentRecord(
            uuid4().hex, sae_digest, checked_feature(feature), clean, self._database.author, now_utc()
        )
        with self._database.write() as connection:
            connection.execute(insert(_C).values(**asdict(record)))
        return record

    def all(
        self, sae_digest: str | None = None, feature: int | None = None, *, withdrawn: bool = False
    ) -> list[CommentRecord]:
        """Comments, the oldest first: all, of one SAE, or of one feature; withdrawn ones if asked for."""
        with self._database.read() as connection:
            rows = _rows(connection, _C, sae_digest, feature, withdrawn=withdrawn)
            return [_comment(row) for row in rows]

    def withdraw(self, uid: str, *, withdrawn: bool = True) -> None:
        """Take a comment back, or put it in again; it stays in the project either way.

        Raises
        ------
        StoreError
            When there is no such comment.
        """
        _withdraw(self._database, _C, uid, "comment", withdrawn)

    def merge(self, comments: Iterable[CommentRecord], examples: Iterable[ExampleRecord]) -> tuple[int, int]:
        """Add comments and examples that this project does not have yet; returns how many of each."""
        with self._database.write() as connection:
            return _add_new(connection, _C, comments), _add_new(connection, _E, examples)


class ExampleRows(Rows):
    """Places on slides that stand as examples of features. Nothing is deleted, only withdrawn."""

    def add(
        self,
        sae_digest: str,
        feature: int,
        slide_fingerprint: str,
        box_l0: tuple[float, float, float, float],
        region_uid: str = "",
    ) -> ExampleRecord:
        """Let a place stand as an example of a feature; one that is there already is given back.

        Parameters
        ----------
        sae_digest, feature
            The feature.
        slide_fingerprint
            The slide.
        box_l0
            (y, x, height, width) in level-0 px.
        region_uid
            The region that the place stands for, if it is one.
        """
        index = checked_feature(feature)
        box = tuple(float(value) for value in box_l0)
        if len(box) != 4 or not all(map(math.isfinite, box)) or box[2] <= 0 or box[3] <= 0:
            raise UserInputError("An example needs a place of some size on the slide.", "Choose a tile.")
        place = dict(zip(("y_l0", "x_l0", "height_l0", "width_l0"), box, strict=True))
        with self._database.write() as connection:
            query = select(_E).where(
                _E.c.sae_digest == sae_digest,
                _E.c.feature == index,
                _E.c.slide_fingerprint == slide_fingerprint,
                _E.c.region_uid == region_uid,
                *(_E.c[name] == value for name, value in place.items()),
            )
            known = connection.execute(query).first()
            if known is not None:
                connection.execute(update(_E).where(_E.c.uid == known.uid).values(withdrawn=False))
                return _example(connection.execute(select(_E).where(_E.c.uid == known.uid)).one())
            record = ExampleRecord(
                uuid4().hex,
                sae_digest,
                index,
                slide_fingerprint,
                *box,
                region_uid,
                self._database.author,
                now_utc(),
            )
            connection.execute(insert(_E).values(**asdict(record)))
        return record

    def all(
        self, sae_digest: str | None = None, feature: int | None = None, *, withdrawn: bool = False
    ) -> list[ExampleRecord]:
        """Chosen examples, the oldest first; withdrawn ones if asked for."""
        with self._database.read() as connection:
            rows = _rows(connection, _E, sae_digest, feature, withdrawn=withdrawn)
            return [_example(row) for row in rows]

    def withdraw(self, uid: str, *, withdrawn: bool = True) -> None:
        """Take an example back, or put it in again.

        Raises
        ------
        StoreError
            When there is no such example.
        """
        _withdraw(self._database, _E, uid, "example", withdrawn)


def _withdraw(database: Database, table: Table, uid: str, what: str, withdrawn: bool) -> None:
    with database.write() as connection:
        done = connection.execute(update(table).where(table.c.uid == uid).values(withdrawn=bool(withdrawn)))
        if done.rowcount == 0:
            raise StoreError(f"There is no such {what} in this project.", "Open the feature again.")


def _rows(
    connection: Connection, table: Table, sae_digest: str | None, feature: int | None, *, withdrawn: bool
) -> list[Row[Any]]:
    query = select(table).order_by(table.c.at, table.c.id)
    if sae_digest is not None:
        query = query.where(table.c.sae_digest == sae_digest)
    if feature is not None:
        query = query.where(table.c.feature == checked_feature(feature))
    if not withdrawn:
        query = query.where(table.c.withdrawn.is_(False))
    return list(connection.execute(query))


def _add_new(
    connection: Connection, table: Table, records: Iterable[CommentRecord] | Iterable[ExampleRecord]
) -> int:
    known = set(connection.execute(select(table.c.uid)).scalars())
    fresh = {record.uid: asdict(record) for record in records if record.uid not in known}
    if fresh:
        connection.execute(insert(table), list(fresh.values()))
    return len(fresh)


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {key: value for key, value in row._mapping.items() if key != "id"}


def _comment(row: Row[Any]) -> CommentRecord:
    return CommentRecord(**_plain(row))


def _example(row: Row[Any]) -> ExampleRecord:
    return ExampleRecord(**_plain(row))
