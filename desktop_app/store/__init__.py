"""What a project remembers, in SQLite: the only package that knows SQLAlchemy and Alembic."""

from __future__ import annotations

from desktop_app.store.project import Store
from desktop_app.store.records.annotation_records import (
    AnnotationConflict,
    AnnotationRecord,
    FeatureRef,
    HistoryRecord,
    ImportReport,
)
from desktop_app.store.records.measured_records import (
    CellEditRecord,
    CellImportRecord,
    CorrelationRecord,
    CorrelationRow,
    NewCorrelation,
    SplitRecord,
    TileValuesRecord,
)
from desktop_app.store.records.records import (
    AnalysisRecord,
    CommentRecord,
    ExampleRecord,
    FeatureListRecord,
    NewAnalysis,
    RegionRecord,
    SaeRecord,
    SlideRecord,
)
from desktop_app.store.records.study_records import ClusterNameRecord, NewStudy, StudyRecord

__all__ = [
    "AnalysisRecord",
    "AnnotationConflict",
    "AnnotationRecord",
    "CellEditRecord",
    "CellImportRecord",
    "ClusterNameRecord",
    "CommentRecord",
    "CorrelationRecord",
    "CorrelationRow",
    "ExampleRecord",
    "FeatureListRecord",
    "FeatureRef",
    "HistoryRecord",
    "ImportReport",
    "NewAnalysis",
    "NewCorrelation",
    "NewStudy",
    "RegionRecord",
    "SaeRecord",
    "SlideRecord",
    "SplitRecord",
    "Store",
    "StudyRecord",
    "TileValuesRecord",
]
