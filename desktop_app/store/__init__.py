"""What a project remembers, in SQLite: the only package that knows SQLAlchemy and Alembic."""

from __future__ import annotations

from desktop_app.store.project import Store
from desktop_app.store.records import (
    AnalysisRecord,
    AnnotationConflict,
    AnnotationRecord,
    CellImportRecord,
    CommentRecord,
    CorrelationRecord,
    CorrelationRow,
    ExampleRecord,
    FeatureListRecord,
    FeatureRef,
    HistoryRecord,
    ImportReport,
    NewAnalysis,
    NewCorrelation,
    RegionRecord,
    SaeRecord,
    SlideRecord,
)

__all__ = [
    "AnalysisRecord",
    "AnnotationConflict",
    "AnnotationRecord",
    "CellImportRecord",
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
    "RegionRecord",
    "SaeRecord",
    "SlideRecord",
    "Store",
]
