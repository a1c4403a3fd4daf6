"""Regions to and from files that QuPath opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import shapely

from desktop_app.store.encoding.plain import now_utc
from desktop_app.store.records.records import REGION_KINDS, RegionRecord
from sae_backend.cells.formats.qupath_regions import FileRegion, read_regions, write_regions
from sae_backend.errors import UserInputError
from sae_backend.slides.regions import box_l0, shape_of
from sae_backend.statistics.number_text import count_text

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.regions.regions import RegionActions
    from desktop_app.store import SlideRecord, Store
    from desktop_app.store.records.records import RegionKind
    from sae_backend.slides.slide import SlideInfo

_WRITES: Final = "GeoJSON for QuPath (*.geojson)"
_READS: Final = "GeoJSON (*.geojson *.json *.gz)"
_ROUNDING_PX: Final = 0.02
"""QuPath rounds to hundredths of a px."""


class RegionFileActions:
    """Writes the regions of the open slide, and adds those of a file to it."""

    def __init__(self, context: Context, regions: RegionActions) -> None:
        self._context, self._regions = context, regions
        context.menus.requested("export_regions").connect(self.export)
        context.menus.requested("import_regions").connect(self.ask_import)

    def export(self) -> None:
        """Ask for a file and write the regions of the open slide."""
        known, regions = self._regions.open_slide(), self._regions.regions()
        if known is None or not regions:
            self._context.say("There are no regions to export. Draw one first: Tools > Draw a polygon.")
            return
        info = known[2]
        path = self._context.dialogs.save_file("Export regions", _WRITES, f"{info.path.stem}.regions.geojson")
        if path is None:
            return
        shown = [
            FileRegion(r.uid, r.name, r.polygons_l0, kind=r.kind, author=r.author, at=r.at) for r in regions
        ]
        if self._context.succeeds(lambda: write_regions(path, shown, _origin(info))):
            self._context.say(
                f"Written: {path}, {count_text(len(shown), 'region')}. QuPath opens it with File > Import objects from file."
            )

    def ask_import(self) -> None:
        """Ask for a file and add its regions to the open slide."""
        if self._context.session.slide is None:
            self._context.say("Open the slide of the regions first.")
        elif self._regions.open_slide() is None:
            self._context.say("Regions belong in a project. Create one with File > New project.")
        else:
            path = self._context.dialogs.open_file("Import regions", _READS)
            if path is not None:
                self.import_file(path)

    def import_file(self, path: Path) -> None:
        """Add the regions of a file to the open slide; those of this project are never overwritten."""
        known = self._regions.open_slide()
        if known is None:
            self._context.say("Open the slide of the regions in a project first.")
            return
        store, record, info = known

        def read() -> tuple[list[RegionRecord], list[str]]:
            found = read_regions(path, _origin(info))
            fresh, said = _sorted(store, record, info, found.regions)
            if not fresh and not said:
                raise UserInputError(
                    f"The regions of {path.name} lie outside this slide.",
                    "Open the slide that they belong to.",
                )
            return fresh, [*said, *found.notes]

        answer = self._context.attempt(read)
        if answer is None:
            return
        fresh, notes = answer
        added = self._regions.add_imported(fresh) if fresh else 0
        if added is not None:
            self._context.show_panel("Regions")
            self._context.say(" ".join([f"{count_text(added, 'region')} added.".capitalize(), *notes]))


def _sorted(
    store: Store, record: SlideRecord, info: SlideInfo, found: tuple[FileRegion, ...]
) -> tuple[list[RegionRecord], list[str]]:
    """Regions of a file that are not shown yet, and sentences on the others."""
    mine = {region.uid: region for region in store.regions.all(withdrawn=True)}
    fresh: list[RegionRecord] = []
    same = differing = beside = 0
    for region in found:
        y, x, height, width = box_l0(region.polygons_l0)
        known = mine.get(region.uid)
        if y >= info.height_px or x >= info.width_px or y + height <= 0 or x + width <= 0:
            beside += 1
        elif known is not None and known.slide_id == record.id and not known.withdrawn:
            same, differing = (same + 1, differing) if _alike(known, region) else (same, differing + 1)
        else:
            # The same file may belong to two copies of a slide in one project.
            elsewhere = known is not None and known.slide_id != record.id
            fresh.append(_record(region, record.id, uuid4().hex if elsewhere else region.uid))
    said = [f"{same:,} already there."] if same else []
    if differing:
        said.append(f"{differing:,} differ from this project's and were left as they are here.")
    if beside and (fresh or said):
        said.append(f"{beside:,} lie outside the slide and were skipped.")
    return fresh, said


def _record(region: FileRegion, slide_id: int, uid: str) -> RegionRecord:
    kinds: dict[str, RegionKind] = {kind: kind for kind in REGION_KINDS}
    kind, at = kinds.get(region.kind, "polygon"), region.at or now_utc()
    return RegionRecord(uid, slide_id, region.name, kind, region.polygons_l0, region.author, at)


def _alike(mine: RegionRecord, other: FileRegion) -> bool:
    shape, their = shape_of(mine.polygons_l0), shape_of(other.polygons_l0)
    apart = shapely.symmetric_difference(shape, their).area
    return mine.name == other.name and bool(apart <= _ROUNDING_PX * shape.length)


def _origin(info: SlideInfo) -> tuple[float, float]:
    return float(info.bounds_l0[0]), float(info.bounds_l0[1])
