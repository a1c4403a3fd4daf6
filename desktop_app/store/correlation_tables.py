"""Correlation tables of features against cell types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from desktop_app.store import tables
from desktop_app.store.engine import Database
from desktop_app.store.plain import from_text, now_utc, to_text
from desktop_app.store.records import CorrelationRecord, CorrelationRow, NewCorrelation
from sae_backend.errors import MismatchError, StoreError

_T = tables.correlations
_A = tables.correlation_analyses
_R = tables.correlation_rows
_NUMBERS: Final = ("value", "ci_low", "ci_high", "p", "q")
_SHARED: Final[dict[str, type]] = {"n_tiles": int, "n_slides": int, "method": str, "unit": str}
_FIELDS: Final = frozenset(field.name for field in fields(CorrelationRow))


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _row_values(row: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    unknown = row.keys() - _FIELDS
    if unknown:
        raise MismatchError(
            f"A correlation row has fields that the project does not know: {', '.join(sorted(unknown))}.",
            "Use the versions of the backend and the program that belong together.",
        )
    values: dict[str, Any] = {
        "feature": int(row["feature"]),
        "cell_type": str(row["cell_type"]),
        "statistic": str(row["statistic"]),
        "reason": str(row.get("reason") or ""),
    }
    values |= {name: _number(row.get(name)) for name in _NUMBERS}
    for name, kind in _SHARED.items():
        own = row.get(name)
        values[name] = None if own is None or own == meta.get(name) else kind(own)
        if values[name] is None and meta.get(name) is None:
            raise MismatchError(f"The correlation table does not state its {name}.", "Correlate again.")
    return values


class CorrelationRows:
    """The part of a store that knows correlation tables."""

    _database: Database

    def add_correlation(self, new: NewCorrelation) -> CorrelationRecord:
        """Store a correlation table with all its rows in one transaction; NaN is stored as None.

        Raises
        ------
        MismatchError
            When a row has unknown fields or lacks one.
        StoreError
            When an analysis is not in the project.
        """
        meta = dict(new.meta)
        rows = [_row_values(row, meta) for row in new.rows]
        with self._database.write() as connection:
            statement = insert(_T).values(
                sae_digest=new.sae_digest,
                spec=to_text(dict(new.spec)),
                meta=to_text(meta),
                created_at=now_utc(),
            )
            added = connection.execute(statement.returning(_T.c.id)).scalar_one()
            for position, analysis_id in enumerate(new.analysis_ids):
                connection.execute(
                    insert(_A).values(correlation_id=added, position=position, analysis_id=analysis_id)
                )
            if rows:
                numbered = [{**row, "correlation_id": added, "position": i} for i, row in enumerate(rows)]
                connection.execute(insert(_R), numbered)
            return _record(connection, connection.execute(select(_T).where(_T.c.id == added)).one())

    def correlations(self) -> list[CorrelationRecord]:
        """All correlation tables, the oldest first, without their rows."""
        with self._database.read() as connection:
            rows = connection.execute(select(_T).order_by(_T.c.id)).all()
            return [_record(connection, row) for row in rows]

    def latest_correlation(self, sae_digest: str) -> CorrelationRecord | None:
        """Return the newest correlation table of an SAE, None where there is none."""
        query = select(_T).where(_T.c.sae_digest == sae_digest).order_by(_T.c.id.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
            return None if row is None else _record(connection, row)

    def correlation_rows(self, correlation_id: int, *, feature: int | None = None) -> list[CorrelationRow]:
        """Rows of a correlation table in the order in which they were given: all, or those of one feature.

        Raises
        ------
        StoreError
            When there is no such table.
        """
        with self._database.read() as connection:
            text = connection.execute(select(_T.c.meta).where(_T.c.id == correlation_id)).scalar()
            if text is None:
                raise StoreError("The project has no such correlation table.", "Correlate first.")
            query = select(_R).where(_R.c.correlation_id == correlation_id).order_by(_R.c.position)
            if feature is not None:
                query = query.where(_R.c.feature == feature)
            rows = connection.execute(query).all()
        meta = from_text(text)
        shared = {name: meta.get(name) for name in _SHARED}
        return [_row(row, shared) for row in rows]


def _row(row: Row[Any], shared: Mapping[str, Any]) -> CorrelationRow:
    values = dict(row._mapping)
    del values["correlation_id"], values["position"]
    for name, value in shared.items():
        if values[name] is None:
            values[name] = value
    return CorrelationRow(**values)


def _record(connection: Connection, row: Row[Any]) -> CorrelationRecord:
    query = select(_A.c.analysis_id).where(_A.c.correlation_id == row.id).order_by(_A.c.position)
    analysis_ids = tuple(connection.execute(query).scalars())
    return CorrelationRecord(
        row.id, row.sae_digest, analysis_ids, from_text(row.spec), from_text(row.meta), row.created_at
    )
