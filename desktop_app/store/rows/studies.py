"""Studies of a project; none is ever overwritten."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt
from sqlalchemy import Connection, Row, func, insert, select, update

from desktop_app.store.encoding.packed_arrays import packed, unpacked
from desktop_app.store.encoding.plain import checked_text, from_text, now_utc, to_text
from desktop_app.store.engine import Rows
from desktop_app.store.records.study_records import ClusterNameRecord, NewStudy, StudyRecord
from desktop_app.store.tables import cluster_names, studies, study_arrays
from sae_backend.errors import StoreError, UserInputError


class StudyRows(Rows):
    """Studies of the project."""

    def add(self, new: NewStudy) -> StudyRecord:
        """Store a study with all its arrays in one transaction.

        Raises
        ------
        MismatchError
            When an array holds anything else than numbers.
        StoreError
            When the split is not in the project.
        """
        rows = packed(new.arrays)
        name = checked_text("name", new.name).strip()
        of_kind = studies.c.kind == new.kind
        with self._database.write() as connection:
            count = connection.execute(select(func.count()).select_from(studies).where(of_kind)).scalar_one()
            statement = insert(studies).values(
                uid=uuid.uuid4().hex,
                kind=new.kind,
                name=name or f"Run {count + 1}",
                sae_digest=new.sae_digest,
                request=to_text(dict(new.request)),
                sets=to_text([dict(entry) for entry in new.sets]),
                meta=to_text(dict(new.meta)),
                cells=to_text(dict(new.cells)),
                split_id=new.split_id,
                created_at=now_utc(),
                author=self._database.author,
            )
            added = connection.execute(statement.returning(studies.c.id)).scalar_one()
            for row in rows:
                connection.execute(insert(study_arrays).values(study_id=added, **row))
            return _must_find(connection, added)

    def all(self, kind: str | None = None) -> list[StudyRecord]:
        """All studies, or those of a kind, the oldest first, without their arrays."""
        query = select(studies).order_by(studies.c.id)
        if kind is not None:
            query = query.where(studies.c.kind == kind)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def get(self, study_id: int) -> StudyRecord:
        """Return the study with this id, or raise `StoreError`."""
        with self._database.read() as connection:
            return _must_find(connection, study_id)

    def rename(self, study_id: int, name: str) -> StudyRecord:
        """Call a study something else.

        Raises
        ------
        UserInputError
            When the name is empty.
        StoreError
            When there is no such study.
        """
        title = checked_text("name", name).strip()
        if not title:
            raise UserInputError("The study has no name.", "Give it one.")
        with self._database.write() as connection:
            connection.execute(update(studies).where(studies.c.id == study_id).values(name=title))
            return _must_find(connection, study_id)

    def arrays(self, study_id: int, names: Iterable[str] | None = None) -> dict[str, npt.NDArray[Any]]:
        """Arrays of a study by name: all of them, or those of the named that there are.

        Raises
        ------
        StoreError
            When there is no such study, or an array is damaged.
        """
        table = study_arrays
        query = (
            select(table.c.name, table.c.part, table.c.dtype, table.c.shape, table.c.data)
            .where(table.c.study_id == study_id)
            .order_by(table.c.name, table.c.part)
        )
        if names is not None:
            query = query.where(table.c.name.in_(list(names)))
        damaged = StoreError("The stored study is damaged.", "Do the study again.")
        with self._database.read() as connection:
            _must_find(connection, study_id)
            return unpacked(connection.execute(query), damaged)

    def name_cluster(self, study_id: int, cluster: str, name: str) -> ClusterNameRecord:
        """Give a cluster of a study a name; an empty one takes the name back. Earlier names are kept.

        Raises
        ------
        StoreError
            When there is no such study.
        """
        title = checked_text("name", name).strip()
        with self._database.write() as connection:
            _must_find(connection, study_id)
            at = now_utc()
            connection.execute(
                insert(cluster_names).values(
                    study_id=study_id, cluster=cluster, name=title, author=self._database.author, at=at
                )
            )
        return ClusterNameRecord(study_id, cluster, title, self._database.author, at)

    def cluster_names(self, study_id: int) -> dict[str, str]:
        """Names of a study's clusters as they are now, by cluster."""
        newest = {one.cluster: one.name for one in self.cluster_name_history(study_id)}
        return {cluster: name for cluster, name in newest.items() if name}

    def cluster_name_history(self, study_id: int) -> list[ClusterNameRecord]:
        """Every name that was given in a study, the oldest first."""
        query = select(cluster_names).where(cluster_names.c.study_id == study_id).order_by(cluster_names.c.id)
        with self._database.read() as connection:
            return [
                ClusterNameRecord(row.study_id, row.cluster, row.name, row.author, row.at)
                for row in connection.execute(query)
            ]


def _must_find(connection: Connection, study_id: int) -> StudyRecord:
    row = connection.execute(select(studies).where(studies.c.id == study_id)).first()
    if row is None:
        raise StoreError("The project has no such study.", "Choose another, or do it.")
    return _record(row)


def _record(row: Row[Any]) -> StudyRecord:
    return StudyRecord(
        id=row.id,
        uid=row.uid,
        kind=row.kind,
        name=row.name,
        sae_digest=row.sae_digest,
        request=from_text(row.request),
        sets=tuple(from_text(row.sets)),
        meta=from_text(row.meta),
        cells=from_text(row.cells),
        split_id=row.split_id,
        created_at=row.created_at,
        author=row.author,
    )
