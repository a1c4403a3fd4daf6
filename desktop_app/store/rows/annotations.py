"""Annotations of features; every change of theirs is kept."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, cast

from sqlalchemy import Connection, Row, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.plain import from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.annotation_records import (
    FIELDS,
    AnnotationConflict,
    AnnotationRecord,
    FeatureRef,
    FieldValue,
    HistoryRecord,
    ImportReport,
    checked_content,
)
from sae_backend.errors import StoreError, UserInputError

_T = tables.annotations
_H = tables.annotation_history
_FEATURE_MAX: Final = 2**31 - 1


def checked_feature(feature: Any) -> int:
    """Return a feature's index as an int, or raise `UserInputError`."""
    if isinstance(feature, bool) or not hasattr(feature, "__index__"):
        raise UserInputError("A feature is named by its number.", "Give a whole number from 0.")
    index = operator.index(feature)
    if not 0 <= index <= _FEATURE_MAX:
        raise UserInputError(f"There is no feature {index}.", "Give a whole number from 0.")
    return index


def _record(row: Row[Any]) -> AnnotationRecord:
    values = dict(row._mapping)
    lists = {name: tuple(from_text(values[name])) for name in FIELDS if _is_list(name)}
    return AnnotationRecord(**{**values, **lists})


def _is_list(field: str) -> bool:
    return FIELDS[field].kind == "tags"


def _columns(content: Mapping[str, FieldValue]) -> dict[str, Any]:
    return {field: to_text(value) if _is_list(field) else value for field, value in content.items()}


def _value(field: str, text: str) -> FieldValue:
    value = from_text(text)
    return tuple(value) if _is_list(field) else cast(FieldValue, value)


def _get(connection: Connection, sae_digest: str, feature: int) -> AnnotationRecord:
    row = connection.execute(select(_T).where(_T.c.sae_digest == sae_digest, _T.c.feature == feature)).first()
    return AnnotationRecord(sae_digest, feature) if row is None else _record(row)


def _put(
    connection: Connection, old: AnnotationRecord, content: Mapping[str, FieldValue], author: str, at: str
) -> AnnotationRecord:
    """Write the fields that differ as one new revision, with a line of history for each."""
    before = old.content()
    changes = {field: value for field, value in content.items() if value != before[field]}
    revision = old.revision + 1
    stamp = {"author": author, "updated_at": at, "revision": revision}
    if old.revision == 0:
        everything = _columns({**before, **changes})
        key = {"sae_digest": old.sae_digest, "feature": old.feature}
        connection.execute(insert(_T).values(**key, **everything, **stamp))
    else:
        connection.execute(
            update(_T)
            .where(_T.c.sae_digest == old.sae_digest, _T.c.feature == old.feature)
            .values(**_columns(changes), **stamp)
        )
    lines = [
        {
            "sae_digest": old.sae_digest,
            "feature": old.feature,
            "revision": revision,
            "field": field,
            "before": to_text(before[field]),
            "after": to_text(value),
            "author": author,
            "at": at,
        }
        for field, value in changes.items()
    ]
    if lines:
        connection.execute(insert(_H), lines)
    return _get(connection, old.sae_digest, old.feature)


class AnnotationRows(Rows):
    """Annotations of features."""

    def set(
        self, sae_digest: str, feature: int, *, expected_revision: int | None = None, **fields: Any
    ) -> AnnotationRecord:
        """Change the given fields of a feature's annotation; on return they are on the disk.

        Parameters
        ----------
        sae_digest, feature
            The feature.
        expected_revision
            Revision that the change was based on.
        **fields
            New values by the names of `AnnotationRecord`. None leaves a field alone that cannot be None.

        Raises
        ------
        UserInputError
            When there is no such field or a value is not legal.
        StoreError
            When somebody else has changed the annotation since `expected_revision`.
        """
        index = checked_feature(feature)
        wanted = {
            name: value
            for name, value in fields.items()
            if value is not None or name not in FIELDS or FIELDS[name].blank is None
        }
        content = checked_content(wanted)
        with self._database.write() as connection:
            old = _get(connection, sae_digest, index)
            if expected_revision is not None and expected_revision != old.revision:
                raise StoreError(
                    f"Feature {index} was changed elsewhere by {old.author or 'somebody'} in the meantime.",
                    "Load it again, look at the change, and repeat yours.",
                )
            if all(old.content()[field] == value for field, value in content.items()):
                return old
            return _put(connection, old, content, self._database.author, now_utc())

    def get(self, sae_digest: str, feature: int) -> AnnotationRecord:
        """Return the annotation of a feature; a blank one of revision 0 where there is none."""
        with self._database.read() as connection:
            return _get(connection, sae_digest, checked_feature(feature))

    def all(self, sae_digest: str | None = None) -> list[AnnotationRecord]:
        """All annotations, or those of one SAE, by SAE and feature."""
        query = select(_T).order_by(_T.c.sae_digest, _T.c.feature)
        if sae_digest is not None:
            query = query.where(_T.c.sae_digest == sae_digest)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def history(self, sae_digest: str, feature: int) -> list[HistoryRecord]:
        """Every changed field of an annotation, the oldest first."""
        with self._database.read() as connection:
            return _history(connection, sae_digest, checked_feature(feature))

    def restore(self, sae_digest: str, feature: int, revision: int) -> AnnotationRecord:
        """Give an annotation the content of an earlier revision (0: blank), as a new revision.

        Raises
        ------
        StoreError
            When there never was such a revision.
        """
        index = checked_feature(feature)
        with self._database.write() as connection:
            current = _get(connection, sae_digest, index)
            if not 0 <= revision <= current.revision:
                raise StoreError(
                    f"Feature {index} has no revision {revision}.",
                    f"Choose one from 0 to {current.revision}.",
                )
            content = AnnotationRecord(sae_digest, index).content()
            for line in _history(connection, sae_digest, index):
                if line.revision <= revision:
                    content[line.field] = line.after
            if content == current.content():
                return current
            return _put(connection, current, content, self._database.author, now_utc())

    def merge(
        self,
        records: Iterable[AnnotationRecord],
        histories: Mapping[FeatureRef, Sequence[HistoryRecord]] | None = None,
    ) -> ImportReport:
        """Add annotations that others made, under their names; never overwrite one that differs.

        Either all that can be added are, or (on an error) none. A history that leads from nothing to the
        annotation is taken over with it; any other is left out and a new one begins.
        """
        with self._database.write() as connection:
            return self._import(connection, records, histories or {})

    def _import(
        self,
        connection: Connection,
        records: Iterable[AnnotationRecord],
        histories: Mapping[FeatureRef, Sequence[HistoryRecord]],
    ) -> ImportReport:
        added = unchanged = 0
        conflicts: list[AnnotationConflict] = []
        for theirs in records:
            index = checked_feature(theirs.feature)
            content = checked_content(theirs.content())
            mine = _get(connection, theirs.sae_digest, index)
            if mine.revision == 0:
                lines = histories.get(theirs.ref, ())
                if _leads_to(lines, content):
                    _replay(connection, theirs, lines)
                else:
                    _put(connection, mine, content, theirs.author, theirs.updated_at or now_utc())
                added += 1
                continue
            own = mine.content()
            differing = tuple(field for field in FIELDS if content[field] != own[field])
            if differing:
                conflicts.append(AnnotationConflict(mine, theirs, differing))
            else:
                unchanged += 1
        return ImportReport(added, unchanged, conflicts)


def _history(connection: Connection, sae_digest: str, feature: int) -> list[HistoryRecord]:
    rows = connection.execute(
        select(_H).where(_H.c.sae_digest == sae_digest, _H.c.feature == feature).order_by(_H.c.id)
    )
    return [
        HistoryRecord(
            row.at,
            row.author,
            row.field,
            _value(row.field, row.before),
            _value(row.field, row.after),
            row.revision,
        )
        for row in rows
    ]


def _leads_to(lines: Sequence[HistoryRecord], content: Mapping[str, FieldValue]) -> bool:
    """Whether a history begins with nothing, has no gap, and ends with this content."""
    state = AnnotationRecord("", 0).content()
    revision = 0
    for line in lines:
        if line.revision not in (revision, revision + 1) or line.revision == 0:
            return False
        if line.field not in state or state[line.field] != line.before or line.before == line.after:
            return False
        state[line.field] = checked_content({line.field: line.after})[line.field]
        revision = line.revision
    return bool(lines) and state == content


def _replay(connection: Connection, theirs: AnnotationRecord, lines: Sequence[HistoryRecord]) -> None:
    known = AnnotationRecord(theirs.sae_digest, theirs.feature)
    for _, group in groupby(lines, key=lambda line: line.revision):
        step = list(group)
        known = _put(connection, known, {line.field: line.after for line in step}, step[0].author, step[0].at)
