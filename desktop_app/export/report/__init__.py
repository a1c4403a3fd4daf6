"""The report of a project: one web page that holds everything and loads nothing."""

from __future__ import annotations

from desktop_app.export.report.write import ReportChoice, write_report

__all__ = ["ReportChoice", "write_report"]
