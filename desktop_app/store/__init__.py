"""What a project remembers, in SQLite: the only package that knows SQLAlchemy and Alembic."""

from __future__ import annotations

from desktop_app.store.project import Store
from desktop_app.store.records import (
    AnalysisRecord,
    AnnotationConflict,
    AnnotationRecord,
    CellImportRecord,
    CorrelationRecord,
    CorrelationRow,
    FeatureRef,
    HistoryRecord,
    ImportReport,
    NewAnalysis,
    NewCorrelation,
    SaeRecord,
    SlideRecord,
)

__all__ = [
    "AnalysisRecord",
    "AnnotationConflict",
    "AnnotationRecord",
    "CellImportRecord",
    "CorrelationRecord",
    "CorrelationRow",
    "FeatureRef",
    "HistoryRecord",
    "ImportReport",
    "NewAnalysis",
    "NewCorrelation",
    "SaeRecord",
    "SlideRecord",
    "Store",
]
