"""What a user may state of a cell file: its columns, its scale, where its origin lies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sae_backend.errors import CellsError, UserInputError

if TYPE_CHECKING:
    from sae_backend.slides.slide import SlideInfo

Unit = Literal["", "px", "um"]

NO_OFFSET: tuple[float, float] = (0.0, 0.0)
LEVEL_0_ASSUMED = "The file does not say its scale; its coordinates count as level-0 px."


@dataclass(frozen=True)
class ColumnMap:
    """Which columns of a table say what.

    Attributes
    ----------
    x, y
        Names of the columns of the centres, as in the header.
    type
        Name of the column of the type, empty where there is none.
    unit
        Unit of x and y; empty for what the header says, px where it says nothing.
    measures
        Columns to keep as measures; None for all that hold numbers.
    """

    x: str
    y: str
    type: str = ""
    unit: Unit = ""
    measures: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ReadOptions:
    """What is stated of a cell file; what is None is taken from the file, never guessed.

    At most one of `scale`, `mpp`, `level` and `mag` may be given, and it replaces the file's own.

    Attributes
    ----------
    scale
        Level-0 px per unit of the file's coordinates.
    offset_l0
        (y, x) of the file's origin in level-0 px, added after the scaling.
    columns
        The columns of a table.
    format
        Key of the format, where the content should not decide.
    mpp
        Pixel size of the file's coordinates in um per px.
    level
        Level of the slide's pyramid that the coordinates are in.
    mag
        Magnification that the coordinates are at; needs `base_mag`.
    base_mag
        Magnification of the slide at level 0.
    use_nucleus
        Take the outline of the nucleus where a cell has one besides its own.

    Raises
    ------
    UserInputError
        When a value makes no sense or two of them contradict each other.
    """

    scale: float | None = None
    offset_l0: tuple[float, float] | None = None
    columns: ColumnMap | None = None
    format: str | None = None
    mpp: float | None = None
    level: int | None = None
    mag: float | None = None
    base_mag: float | None = None
    use_nucleus: bool = False

    def __post_init__(self) -> None:
        for name in ("scale", "mpp", "mag", "base_mag"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 < value < 1e6):
                raise UserInputError(f"A {name} of {value} is not possible.", "Give a number above 0.")
        if self.offset_l0 is not None and not all(math.isfinite(value) for value in self.offset_l0):
            raise UserInputError("The offset of the cells is not finite.", "Give y and x in level-0 px.")
        given = [name for name in ("scale", "mpp", "level", "mag") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UserInputError(
                f"The cells' {' and '.join(given)} were both stated.",
                "State one of them, it gives the other.",
            )

    @classmethod
    def from_assumed(cls, assumed: Mapping[str, Any]) -> ReadOptions:
        """Return the options that read a file again as it was read before (`CellImport.assumed`)."""
        columns = assumed.get("columns")
        offset = assumed.get("offset_l0")
        return cls(
            scale=assumed.get("scale"),
            offset_l0=None if offset is None else (float(offset[0]), float(offset[1])),
            columns=None if columns is None else ColumnMap(**columns),
            format=assumed.get("format"),
            use_nucleus=bool(assumed.get("use_nucleus", False)),
        )


@dataclass(frozen=True)
class Placement:
    """How a file's coordinates become level-0 px: times `scale`, plus `offset_l0`.

    `scale` is None where it has to be stated; `question` then says what is missing. `notes` say in
    words what was assumed.
    """

    scale: float | None
    offset_l0: tuple[float, float]
    notes: tuple[str, ...] = ()
    question: str = ""

    def require_scale(self, name: str) -> float:
        """Return the scale, or raise `CellsError` that asks for it."""
        if self.scale is None:
            raise CellsError(
                f"{name} does not say {self.question}.",
                "State it: the factor to level-0 px (scale), the pixel size (mpp), the pyramid level, or the "
                "magnifications of the file and of the slide.",
            )
        return self.scale


def place(
    options: ReadOptions, slide_info: SlideInfo, own: Placement, qupath_origin: bool = False
) -> Placement:
    """Combine what is stated with what the file says of itself.

    Parameters
    ----------
    options
        What the user stated; it wins.
    slide_info
        The slide that the cells belong to.
    own
        What the file says.
    qupath_origin
        Whether the program that wrote the file counts from the upper left corner of the scanned area.

    Raises
    ------
    PixelSizeError
        When a pixel size was stated and the slide's is unknown.
    CellsError, UserInputError
        When the stated level or magnification cannot be turned into a scale.
    """
    scale, notes = own.scale, list(own.notes)
    stated = _stated_scale(options, slide_info)
    if stated is not None:
        scale = stated
        notes = [f"Coordinates were multiplied by {scale:g}, as stated."]
    offset = own.offset_l0
    bounds = (float(slide_info.bounds_l0[0]), float(slide_info.bounds_l0[1]))
    if options.offset_l0 is not None:
        offset = (float(options.offset_l0[0]), float(options.offset_l0[1]))
        if any(offset):
            notes.append(f"Moved by y = {offset[0]:g}, x = {offset[1]:g} px, as stated.")
    elif qupath_origin and any(bounds):
        offset = bounds
        notes.append(
            f"The scanned area starts at y = {offset[0]:g}, x = {offset[1]:g} px; it was taken for the "
            "origin of the file, as in QuPath."
        )
    return Placement(scale, offset, tuple(notes), own.question)


def _stated_scale(options: ReadOptions, slide_info: SlideInfo) -> float | None:
    if options.scale is not None:
        return options.scale
    if options.mpp is not None:
        return options.mpp / slide_info.require_mpp()
    if options.level is not None:
        downsamples = slide_info.level_downsamples
        if not 0 <= options.level < len(downsamples):
            raise UserInputError(
                f"{slide_info.path.name} has no level {options.level}.",
                f"Its levels are 0 to {len(downsamples) - 1}; state the scale instead.",
            )
        return float(downsamples[options.level])
    if options.mag is not None:
        if options.base_mag is None:
            raise UserInputError(
                f"The magnification of {slide_info.path.name} at level 0 is not known.",
                "State it too (base_mag), such as 40.",
            )
        return options.base_mag / options.mag
    return None
