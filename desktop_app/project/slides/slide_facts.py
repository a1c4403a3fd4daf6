"""What is known of a slide, in words: no patient, no user and no date among it. Knows no window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sae_backend.statistics.number_text import bytes_text

if TYPE_CHECKING:
    from sae_backend.slides.scanner_metadata import ScanFacts
    from sae_backend.slides.slide import SlideInfo

_FORMATS: Final = {
    "aperio": "Aperio (SVS or TIFF)",
    "dicom": "DICOM",
    "generic-tiff": "Tiled TIFF",
    "hamamatsu": "Hamamatsu (NDPI, VMS or VMU)",
    "leica": "Leica (SCN)",
    "mirax": "3DHISTECH (MRXS)",
    "philips": "Philips TIFF",
    "sakura": "Sakura (SVSLIDE)",
    "trestle": "Trestle TIFF",
    "ventana": "Ventana (BIF or TIFF)",
    "zeiss": "Zeiss (CZI)",
}
_MPP_FROM: Final = {"file": "the file says so", "user": "stated by you"}


@dataclass(frozen=True)
class SlideFact:
    """One line: what it is, and what is known."""

    label: str
    value: str


def slide_facts(info: SlideInfo, scan: ScanFacts) -> tuple[SlideFact, ...]:
    """What the dialog of a slide says, from what the program knows and what the file says of itself."""
    facts = [
        ("File", info.path.name),
        ("Size", _size(info)),
        ("Pixel size", _pixel_size(info)),
        (
            "Objective",
            f"{scan.objective:g}x (the file says so)" if scan.objective else "The file does not say",
        ),
        ("Format", _FORMATS.get(info.vendor, info.vendor.removeprefix("plain ") or "unknown")),
        ("Levels", "\n".join(_levels(info))),
        ("Stored as", _tiles(scan)),
        ("Scanned area", _bounds(info)),
        ("Colour profile (ICC)", _profile(scan)),
        ("File size", bytes_text(scan.file_bytes)),
        ("Fingerprint", info.fingerprint),
        ("Other pictures", ", ".join(scan.pictures) or "none"),
    ]
    return tuple(SlideFact(label, value) for label, value in facts)


def facts_text(facts: Iterable[SlideFact]) -> str:
    """Facts as lines of text with a tab between, for the clipboard."""
    return "\n".join(f"{fact.label}\t{fact.value.replace(chr(10), '; ')}" for fact in facts)


def _size(info: SlideInfo) -> str:
    words = f"{info.width_px:,} × {info.height_px:,} px"
    if info.mpp is not None:
        width, height = (side * info.mpp / 1000 for side in (info.width_px, info.height_px))
        words += f", {width:.3g} × {height:.3g} mm"
    return f"{words} (width × height)"


def _pixel_size(info: SlideInfo) -> str:
    if info.mpp is None:
        return "not known: the file does not say it, and Slide > Pixel size states it"
    return f"{info.mpp:.4g} µm/px ({_MPP_FROM[info.mpp_source]})"


def _levels(info: SlideInfo) -> list[str]:
    lines = []
    for (height, width), factor in zip(info.level_sizes, info.level_downsamples, strict=True):
        less = "full resolution" if factor == 1 else f"{factor:.4g} times smaller"
        lines.append(f"{width:,} × {height:,} px, {less}")
    return lines


def _tiles(scan: ScanFacts) -> str:
    if scan.tile_px is None:
        return "one piece, or strips"
    return f"tiles of {scan.tile_px[1]} × {scan.tile_px[0]} px"


def _bounds(info: SlideInfo) -> str:
    y, x, height, width = info.bounds_l0
    if (y, x, height, width) == (0, 0, info.height_px, info.width_px):
        return "the whole picture"
    return f"{width:,} × {height:,} px from x {x:,}, y {y:,}; there are no tiles outside"


def _profile(scan: ScanFacts) -> str:
    return "yes; colours are shown as they are stored, without it" if scan.has_icc_profile else "no"
