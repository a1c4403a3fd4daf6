"""What a slide's file says beyond pixels and pixel size, and the pictures that ride along in it.

The pictures (label, macro, thumbnail) and the scanner's free text can name a patient: the pictures are
read one by one when they are asked for, and the free text is not read at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import openslide
from PIL import Image, UnidentifiedImageError

from sae_backend.errors import SlideError

_MAX_PX: Final = 1200
_SIDECAR_FOLDERS: Final = (".mrxs",)


@dataclass(frozen=True)
class ScanFacts:
    """What a file says of itself, free of names, numbers and dates that could lead to a person.

    `objective` is the magnification of the scan's objective, None where the file does not say it; `tile_px`
    the (height, width) of the stored tiles of level 0, None where there are none; `file_bytes` the size of the
    file with the folder that belongs to it; `pictures` the names of the pictures that ride along.
    """

    objective: float | None
    tile_px: tuple[int, int] | None
    has_icc_profile: bool
    file_bytes: int
    pictures: tuple[str, ...]


def scan_facts(path: Path) -> ScanFacts:
    """Read what the file of a slide or plain image says of itself.

    Raises
    ------
    SlideError
        When the file cannot be opened.
    """
    size = _bytes(path)
    if _is_plain(path):
        return ScanFacts(None, None, _plain_has_profile(path), size, ())
    with _opened(path) as slide:
        said = slide.properties
        height, width = (said.get(f"openslide.level[0].tile-{side}") for side in ("height", "width"))
        return ScanFacts(
            objective=_number(said.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)),
            tile_px=(int(height), int(width)) if height and width else None,
            has_icc_profile=int(said.get("openslide.icc-size", 0)) > 0,
            file_bytes=size,
            pictures=tuple(sorted(slide.associated_images)),
        )


def associated_image(path: Path, name: str) -> npt.NDArray[np.uint8]:
    """Read one of the pictures that ride along, uint8 (h, w, 3), its longer side at most 1,200 px.

    Raises
    ------
    SlideError
        When the file has no such picture, or it cannot be read.
    """
    with _opened(path) as slide:
        try:
            picture = slide.associated_images[name]
        except KeyError as error:
            raise SlideError(f"{path.name} holds no picture called {name}.", "") from error
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"The picture {name} in {path.name} cannot be read: {error}.",
                "The slide itself may be whole.",
            ) from error
    picture.thumbnail((_MAX_PX, _MAX_PX))
    whole = Image.new("RGB", picture.size, "white")
    whole.paste(picture, mask=picture.getchannel("A") if "A" in picture.getbands() else None)
    return np.asarray(whole)


def _is_plain(path: Path) -> bool:
    try:
        return openslide.OpenSlide.detect_format(str(path)) is None
    except OSError as error:
        raise SlideError(f"{path.name} cannot be read: {error}.", "Check its permissions.") from error


@contextmanager
def _opened(path: Path) -> Iterator[openslide.OpenSlide]:
    try:
        slide = openslide.OpenSlide(str(path))
    except (openslide.OpenSlideError, OSError) as error:
        raise SlideError(
            f"{path.name} cannot be opened as a slide: {error}.", "It may have been moved or cut short."
        ) from error
    with slide:
        yield slide


def _plain_has_profile(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return bool(image.info.get("icc_profile"))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise SlideError(f"{path.name} cannot be read: {error}.", "Check that it is still there.") from error


def _bytes(path: Path) -> int:
    try:
        size = path.stat().st_size
        if path.suffix.lower() in _SIDECAR_FOLDERS:
            size += sum(part.stat().st_size for part in path.with_suffix("").glob("*") if part.is_file())
    except OSError as error:
        raise SlideError(f"{path.name} cannot be read: {error.strerror}.", "Check the path.") from error
    return size


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else 0.0
    except ValueError:
        return None
    return value if 0 < value < 1000 else None
