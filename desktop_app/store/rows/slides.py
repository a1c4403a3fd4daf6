"""Slides and SAEs of a project."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.records import SaeRecord, SlideRecord
from sae_backend.errors import StoreError
from sae_backend.slides.slide import validate_mpp

if TYPE_CHECKING:
    from sae_backend.slides.slide import SlideInfo

_T = tables.slides


def _absolute(path: Path) -> str:
    # Not resolved: a link is how the user names the slide, and its target may move.
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute() keeps ".." and would miss equal paths


def _slide(row: Row[Any]) -> SlideRecord:
    values = dict(row._mapping)
    return SlideRecord(**{**values, "path": Path(values["path"])})


class SlideRows(Rows):
    """Slides of the project."""

    def add(self, info: SlideInfo) -> SlideRecord:
        """Add a slide, or renew what is known of one with the same fingerprint, keeping its id.

        A pixel size that the user stated earlier outlives whatever the file says, and a copy does not take the place
        of a file that is still there.
        """
        path = Path(_absolute(info.path))
        facts: dict[str, Any] = {
            "path": str(path),
            "name": path.name,
            "height_px": int(info.height_px),
            "width_px": int(info.width_px),
            "vendor": info.vendor,
        }
        mpp = {"mpp": info.mpp, "mpp_source": info.mpp_source}
        with self._database.write() as connection:
            old = _find(connection, _T.c.fingerprint == info.fingerprint)
            if old is None:
                connection.execute(
                    insert(_T).values(fingerprint=info.fingerprint, added_at=now_utc(), **facts, **mpp)
                )
            else:
                keep = old.mpp_source == "user" and info.mpp_source != "user"
                known = {} if Path(old.path) != path and Path(old.path).exists() else facts
                changed = known if keep else {**known, **mpp}
                if not changed:
                    return old
                connection.execute(update(_T).where(_T.c.id == old.id).values(**changed))
            return _must_find(connection, _T.c.fingerprint == info.fingerprint)

    def set_mpp(self, slide_id: int, mpp: float) -> SlideRecord:
        """Store the pixel size (um per px) that the user states for a slide.

        Raises
        ------
        PixelSizeError
            When no microscope makes it.
        StoreError
            When there is no such slide.
        """
        value = validate_mpp(mpp)
        with self._database.write() as connection:
            _must_find(connection, _T.c.id == slide_id)
            connection.execute(update(_T).where(_T.c.id == slide_id).values(mpp=value, mpp_source="user"))
            return _must_find(connection, _T.c.id == slide_id)

    def all(self) -> list[SlideRecord]:
        """All slides in the order in which they were added."""
        with self._database.read() as connection:
            return [_slide(row) for row in connection.execute(select(_T).order_by(_T.c.id))]

    def get(self, slide_id: int) -> SlideRecord:
        """Return the slide with this id, or raise `StoreError`."""
        with self._database.read() as connection:
            return _must_find(connection, _T.c.id == slide_id)

    def by_path(self, path: Path) -> SlideRecord | None:
        """Return the slide last seen at this path, None where there is none."""
        with self._database.read() as connection:
            row = connection.execute(
                select(_T).where(_T.c.path == _absolute(path)).order_by(_T.c.id.desc()).limit(1)
            ).first()
        return None if row is None else _slide(row)

    def by_fingerprint(self, fingerprint: str) -> SlideRecord | None:
        """Return the slide with this content, None where there is none."""
        with self._database.read() as connection:
            return _find(connection, _T.c.fingerprint == fingerprint)


class SaeRows(Rows):
    """The SAEs of a project."""

    def add(self, digest: str, folder: Path, card: Mapping[str, Any]) -> SaeRecord:
        """Add an SAE, or renew the folder and card of one with the same digest."""
        table = tables.saes
        values = {"folder": _absolute(folder), "card": to_text(dict(card))}
        with self._database.write() as connection:
            old = connection.execute(select(table).where(table.c.digest == digest)).first()
            if old is None:
                connection.execute(insert(table).values(digest=digest, added_at=now_utc(), **values))
            else:
                connection.execute(update(table).where(table.c.digest == digest).values(**values))
            return _sae(connection.execute(select(table).where(table.c.digest == digest)).one())

    def get(self, digest: str) -> SaeRecord | None:
        """Return the SAE with this digest, None where the project does not know it."""
        table = tables.saes
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.digest == digest)).first()
        return None if row is None else _sae(row)

    def all(self) -> list[SaeRecord]:
        """All SAEs, the oldest first."""
        table = tables.saes
        with self._database.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.added_at, table.c.digest)).all()
        return [_sae(row) for row in rows]


def _sae(row: Row[Any]) -> SaeRecord:
    return SaeRecord(row.digest, Path(row.folder), from_text(row.card), row.added_at)


def _find(connection: Connection, condition: ColumnElement[bool]) -> SlideRecord | None:
    row = connection.execute(select(_T).where(condition)).first()
    return None if row is None else _slide(row)


def _must_find(connection: Connection, condition: ColumnElement[bool]) -> SlideRecord:
    record = _find(connection, condition)
    if record is None:
        raise StoreError("The project has no such slide.", "Add the slide to the project first.")
    return record
