"""Splits into what features are chosen on and what they are reported on; kept, and never drawn anew in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import checked_text, from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.measured_records import (
    SPLIT_SIDES,
    SPLIT_UNITS,
    SplitRecord,
    SplitSide,
    SplitUnit,
)
from sae_backend.errors import StoreError, UserInputError

_T = tables.splits


class SplitRows(Rows):
    """Splits of the project."""

    def add(self, name: str, unit: SplitUnit, seed: int, assignments: Mapping[str, SplitSide]) -> SplitRecord:
        """Keep a split and make it the current one.

        Parameters
        ----------
        name
            What it is called; empty for "Split N".
        unit
            What was divided.
        seed
            Seed of the draw.
        assignments
            "choose" or "report" of each patient, slide (by fingerprint) or block.

        Raises
        ------
        UserInputError
            When the unit or a side is unknown.
        """
        if unit not in SPLIT_UNITS:
            raise UserInputError(f"Splits are not made by {unit!r}.", f"Use {', '.join(SPLIT_UNITS)}.")
        title = checked_text("name", name).strip()
        sides = _checked(assignments)
        with self._database.write() as connection:
            count = connection.execute(select(func.count()).select_from(_T)).scalar_one()
            added = connection.execute(
                insert(_T)
                .values(
                    name=title or f"Split {count + 1}",
                    unit=unit,
                    seed=int(seed),
                    assignments=to_text(sides),
                    created_at=now_utc(),
                    author=self._database.author,
                    recency=_next_recency(connection),
                )
                .returning(_T.c.id)
            ).scalar_one()
            return _must_find(connection, added)

    def all(self) -> list[SplitRecord]:
        """All splits, the oldest first."""
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(select(_T).order_by(_T.c.id))]

    def current(self) -> SplitRecord | None:
        """Return the split that was made or chosen last, None where there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(_T).order_by(_T.c.recency.desc()).limit(1)).first()
        return None if row is None else _record(row)

    def choose(self, split_id: int) -> SplitRecord:
        """Make this the current split until another is made or chosen; raises `StoreError` where there is none."""
        with self._database.write() as connection:
            _must_find(connection, split_id)
            connection.execute(
                update(_T).where(_T.c.id == split_id).values(recency=_next_recency(connection))
            )
            return _must_find(connection, split_id)

    def extend(self, split_id: int, assignments: Mapping[str, SplitSide]) -> SplitRecord:
        """Give patients, slides or blocks that are new to a split their sides.

        Raises
        ------
        StoreError
            When there is no such split, or one that has a side would change it; then nothing is changed.
        """
        new = _checked(assignments)
        with self._database.write() as connection:
            known = _must_find(connection, split_id).assignments
            changed = sorted(key for key, side in new.items() if known.get(key, side) != side)
            if changed:
                raise StoreError(
                    f"The split says already on which side {changed[0]} is.",
                    "Make a new split: what was chosen on one side must not be reported on the same.",
                )
            connection.execute(
                update(_T).where(_T.c.id == split_id).values(assignments=to_text({**known, **new}))
            )
            return _must_find(connection, split_id)


def _checked(assignments: Mapping[str, Any]) -> dict[str, SplitSide]:
    for key, side in assignments.items():
        checked_text("name of what is split", key)
        if side not in SPLIT_SIDES:
            raise UserInputError(f"There is no side {side!r} of a split.", f"Use {' or '.join(SPLIT_SIDES)}.")
    return dict(assignments)


def _next_recency(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(_T.c.recency), 0))).scalar_one()) + 1


def _must_find(connection: Connection, split_id: int) -> SplitRecord:
    row = connection.execute(select(_T).where(_T.c.id == split_id)).first()
    if row is None:
        raise StoreError("The project has no such split.", "Choose one from the list.")
    return _record(row)


def _record(row: Row[Any]) -> SplitRecord:
    return SplitRecord(
        row.id, row.name, row.unit, row.seed, from_text(row.assignments), row.created_at, row.author
    )
