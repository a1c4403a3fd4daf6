"""Analyses of slides and which of them is current."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.records import AnalysisRecord, NewAnalysis
from sae_backend.errors import StoreError

_T = tables.analyses
_IDENTITY = (
    "slide_id",
    "encoder_digest",
    "layer",
    "pooling",
    "grid_digest",
    "embedding_digest",
    "sae_digest",
)


def _record(row: Row[Any]) -> AnalysisRecord:
    values = dict(row._mapping)
    del values["chosen"], values["recency"]
    values["tile_spec"] = from_text(values["tile_spec"])
    values["counts"] = from_text(values["counts"])
    return AnalysisRecord(**values)


def _next_recency(connection: Connection) -> int:
    # A count, not a clock: a clock that is set back must not change which analysis is current.
    return int(connection.execute(select(func.coalesce(func.max(_T.c.recency), 0))).scalar_one()) + 1


class AnalysisRows(Rows):
    """Analyses of slides."""

    def add(self, new: NewAnalysis) -> AnalysisRecord:
        """Add an analysis and make it the latest.

        The same one made again (equal digests on the same slide) renews its record instead, or a
        correlation over all analyses would count its tiles twice.
        """
        values = asdict(new)
        values["tile_spec"] = to_text(dict(new.tile_spec))
        values["counts"] = to_text(dict(new.counts))
        same = [_T.c[name].is_(values[name]) for name in _IDENTITY]
        with self._database.write() as connection:
            found = connection.execute(select(_T.c.id).where(*same)).scalar()
            values["recency"] = _next_recency(connection)
            if found is None:
                statement = insert(_T).values(created_at=now_utc(), chosen=False, **values)
                found = connection.execute(statement.returning(_T.c.id)).scalar_one()
            else:
                connection.execute(update(_T).where(_T.c.id == found).values(**values))
            return _record(connection.execute(select(_T).where(_T.c.id == found)).one())

    def all(self, slide_id: int | None = None) -> list[AnalysisRecord]:
        """All analyses, or those of one slide, in the order in which they were first made."""
        query = select(_T).order_by(_T.c.id)
        if slide_id is not None:
            query = query.where(_T.c.slide_id == slide_id)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def current(self, slide_id: int | None = None) -> AnalysisRecord | None:
        """Return the analysis chosen or made last, of one slide where given.

        One that was encoded or chosen comes before one that was only embedded.
        """
        useful = or_(_T.c.feature_folder.is_not(None), _T.c.chosen)
        query = select(_T).order_by(useful.desc(), _T.c.recency.desc()).limit(1)
        if slide_id is not None:
            query = query.where(_T.c.slide_id == slide_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _record(row)

    def choose(self, analysis_id: int) -> None:
        """Make this the current analysis until another is made or chosen.

        Raises
        ------
        StoreError
            When there is no such analysis.
        """
        with self._database.write() as connection:
            changed = connection.execute(
                update(_T)
                .where(_T.c.id == analysis_id)
                .values(chosen=True, recency=_next_recency(connection))
            )
            if changed.rowcount != 1:
                raise StoreError("The project has no such analysis.", "Choose one from the list.")
