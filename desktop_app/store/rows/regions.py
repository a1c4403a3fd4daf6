"""Regions that people drew on slides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import checked_text, from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.records import REGION_KINDS, RegionKind, RegionRecord, Ring
from sae_backend.errors import StoreError, UserInputError

_T = tables.regions
Polygons = Sequence[Sequence[Sequence[Sequence[float]]]]
"""Polygons of rings of (y, x) points."""


class RegionRows(Rows):
    """Regions of slides. Nothing is deleted, only withdrawn."""

    def add(self, slide_id: int, polygons_l0: Polygons, kind: RegionKind, name: str = "") -> RegionRecord:
        """Keep a region; on return it is on the disk.

        Parameters
        ----------
        slide_id
            The slide.
        polygons_l0
            Polygons, each a sequence of rings (the outer one, then holes) of (y, x) level-0 px.
        kind
            How it was drawn.
        name
            What it is called.

        Raises
        ------
        UserInputError
            When a ring has fewer than three points or a coordinate is no number.
        """
        if kind not in REGION_KINDS:
            raise UserInputError(f"Regions are not drawn as {kind!r}.", f"Use {', '.join(REGION_KINDS)}.")
        record = RegionRecord(
            uuid4().hex, slide_id, checked_text("name", name).strip(), kind,
            checked_polygons(polygons_l0), self._database.author, now_utc(),
        )  # fmt: skip
        with self._database.write() as connection:
            connection.execute(insert(_T).values(**_columns(record)))
        return record

    def all(self, slide_id: int | None = None, *, withdrawn: bool = False) -> list[RegionRecord]:
        """Regions, the oldest first: of all slides or of one; withdrawn ones if asked for."""
        query = select(_T).order_by(_T.c.id)
        if slide_id is not None:
            query = query.where(_T.c.slide_id == slide_id)
        if not withdrawn:
            query = query.where(_T.c.withdrawn.is_(False))
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def change(
        self,
        uid: str,
        *,
        name: str | None = None,
        polygons_l0: Polygons | None = None,
        withdrawn: bool | None = None,
    ) -> RegionRecord:
        """Rename, redraw, take back or put in again a region; None leaves a thing alone.

        Raises
        ------
        StoreError
            When there is no such region.
        """
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = checked_text("name", name).strip()
        if polygons_l0 is not None:
            values["polygons_l0"] = to_text(checked_polygons(polygons_l0))
        if withdrawn is not None:
            values["withdrawn"] = withdrawn
        with self._database.write() as connection:
            if values:
                connection.execute(update(_T).where(_T.c.uid == uid).values(**values))
            row = connection.execute(select(_T).where(_T.c.uid == uid)).first()
        if row is None:
            raise _no_such_region()
        return _record(row)

    def merge(self, records: Iterable[RegionRecord]) -> list[RegionRecord]:
        """Keep regions that were drawn elsewhere, in one transaction: all of them or none.

        One whose `uid` is known is left as it is, but put in again where it was withdrawn. Returns those that are new
        or were put in again.

        Raises
        ------
        UserInputError
            When a ring has fewer than three points or a coordinate is no number.
        """
        clean = [
            replace(
                record,
                name=checked_text("name", record.name).strip(),
                polygons_l0=checked_polygons(record.polygons_l0),
                withdrawn=False,
            )
            for record in records
        ]
        added: list[RegionRecord] = []
        with self._database.write() as connection:
            for record in clean:
                row = connection.execute(select(_T).where(_T.c.uid == record.uid)).first()
                if row is None:
                    connection.execute(insert(_T).values(**_columns(record)))
                    added.append(record)
                elif row.withdrawn:
                    connection.execute(update(_T).where(_T.c.uid == record.uid).values(withdrawn=False))
                    added.append(replace(_record(row), withdrawn=False))
        return added

    def withdraw(self, uids: Iterable[str], *, withdrawn: bool = True) -> None:
        """Take regions back, or put them in again, in one transaction.

        Raises
        ------
        StoreError
            When one of them is not there; then nothing is changed.
        """
        with self._database.write() as connection:
            for uid in uids:
                done = connection.execute(update(_T).where(_T.c.uid == uid).values(withdrawn=withdrawn))
                if done.rowcount == 0:
                    raise _no_such_region()


def checked_polygons(polygons: Polygons) -> tuple[tuple[Ring, ...], ...]:
    """Return polygons as they are stored, without repeated last points.

    Raises
    ------
    UserInputError
        When there is none, a ring has fewer than three points, or a coordinate is no number.
    """
    clean = tuple(tuple(_ring(ring) for ring in polygon) for polygon in polygons)
    if not clean or not all(clean):
        raise UserInputError("The region is empty.", "Draw around something.")
    return clean


def _no_such_region() -> StoreError:
    return StoreError("There is no such region in this project.", "Open the slide again.")


def _ring(points: Sequence[Sequence[float]]) -> Ring:
    ring = tuple((float(y), float(x)) for y, x in points)
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring = ring[:-1]
    if len(set(ring)) < 3:
        raise UserInputError("A region needs at least three corners.", "Draw it again.")
    if not all(math.isfinite(value) for point in ring for value in point):
        raise UserInputError("A corner of the region has no place on the slide.", "Draw it again.")
    return ring


def _columns(record: RegionRecord) -> dict[str, Any]:
    return {**asdict(record), "polygons_l0": to_text(record.polygons_l0)}


def _record(row: Row[Any]) -> RegionRecord:
    values = {key: value for key, value in row._mapping.items() if key != "id"}
    polygons = tuple(
        tuple(tuple((y, x) for y, x in ring) for ring in polygon)
        for polygon in from_text(values["polygons_l0"])
    )
    return RegionRecord(**{**values, "polygons_l0": polygons})
