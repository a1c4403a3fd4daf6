"""The feature atlas: a page a feature, as one web page or as PDF. Needs no window and no torch."""

from __future__ import annotations

from desktop_app.export.atlas.source import AtlasChoice, AtlasSource, collect
from desktop_app.export.atlas.write import check_atlas_name, write_atlas

__all__ = ["AtlasChoice", "AtlasSource", "check_atlas_name", "collect", "write_atlas"]
