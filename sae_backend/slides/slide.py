"""Open a slide or a plain field and read its pixels, telling bad tiles from tissue."""

from __future__ import annotations

import hashlib
import math
import threading
import warnings
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Final, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
import openslide
from PIL import Image, UnidentifiedImageError

from sae_backend.errors import PixelSizeError, SlideError
from sae_backend.slides.tiff_truncation import is_cut_short

MPP_RANGE_UM: Final = (0.02, 50.0)
"""Pixel sizes outside this range (um per px) are taken for mistakes."""

SLIDE_ENDINGS: Final = (
    ".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".svslide", ".bif", ".vms", ".vmu", ".dcm", ".czi", ".jpg",
    ".jpeg", ".png",
)  # fmt: skip
"""Endings of the files that may be slides or plain fields, in lower case; what is in a file decides."""

_PLAIN_FORMATS: Final = ("JPEG", "PNG", "TIFF")
_PLAIN_MAX_PX: Final = 150_000_000
_HASH_WHOLE_BYTES: Final = 64 << 20
_HASH_BLOCKS: Final = 256
_HASH_BLOCK_BYTES: Final = 64 << 10
_TRANSPARENT_SHARE: Final = 1e-3

MppSource = Literal["file", "user", "unknown"]
Rgb = npt.NDArray[np.uint8]


class TileStatus(IntEnum):
    """What became of the pixels of a region or tile."""

    OK = 0
    MISSING = 1
    CORRUPT = 2
    OUTSIDE = 3
    PENDING = 255


@dataclass(frozen=True)
class SlideInfo:
    """What is known of a slide; sizes are (height, width) in px.

    `mpp` is in um per px, None where neither file nor user says it; `bounds_l0` is the scanned
    area as (y, x, height, width) in level-0 px.
    """

    path: Path
    fingerprint: str
    height_px: int
    width_px: int
    level_sizes: tuple[tuple[int, int], ...]
    level_downsamples: tuple[float, ...]
    mpp: float | None
    mpp_source: MppSource
    bounds_l0: tuple[int, int, int, int]
    vendor: str

    def with_mpp(self, mpp: float) -> SlideInfo:
        """Return a copy whose pixel size (um per px) was stated by the user."""
        return replace(self, mpp=validate_mpp(mpp), mpp_source="user")

    def require_mpp(self) -> float:
        """Return the pixel size in um per px, or raise `PixelSizeError` where it is unknown."""
        if self.mpp is None:
            raise PixelSizeError(
                f"{self.path.name} does not record its pixel size.",
                "State it in um per pixel: --mpp 0.5 on the command line, or Slide > Pixel size in the window.",
            )
        return self.mpp


@dataclass(frozen=True)
class RegionRead:
    """Pixels (h, w, 3) uint8 and what became of them; bad pixels are white."""

    rgb: Rgb
    status: TileStatus


def validate_mpp(mpp: float) -> float:
    """Return `mpp` (um per px) as a float, or raise `PixelSizeError` if no microscope makes it."""
    low, high = MPP_RANGE_UM
    if not math.isfinite(mpp) or not low <= mpp <= high:
        raise PixelSizeError(
            f"A pixel size of {mpp} um per pixel is not possible.",
            f"Give a number between {low} and {high}; a 20x scan has about 0.5, a 40x scan about 0.25.",
        )
    return float(mpp)


def fingerprint_file(path: Path) -> str:
    """Digest of a slide's content: whole up to 64 MiB, else its size and 256 spread 64 KiB blocks.

    Raises
    ------
    SlideError
        If the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=20)
    try:
        size = path.stat().st_size
        digest.update(size.to_bytes(8, "little"))
        with path.open("rb") as file:
            if size <= _HASH_WHOLE_BYTES:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
            else:
                for block in range(_HASH_BLOCKS):
                    file.seek((size - _HASH_BLOCK_BYTES) * block // (_HASH_BLOCKS - 1))
                    digest.update(file.read(_HASH_BLOCK_BYTES))
    except OSError as error:
        raise SlideError(f"{path.name} cannot be read: {error.strerror}.", "Check the path.") from error
    return digest.hexdigest()


class _Source(Protocol):
    level_sizes: tuple[tuple[int, int], ...]
    level_downsamples: tuple[float, ...]
    mpp: float | None
    bounds_l0: tuple[int, int, int, int]
    vendor: str

    def read(self, y_l0: int, x_l0: int, level: int, h: int, w: int) -> RegionRead: ...

    def close(self) -> None: ...


def _plausible(mpp: float) -> bool:
    return math.isfinite(mpp) and MPP_RANGE_UM[0] <= mpp <= MPP_RANGE_UM[1]


class _OpenSlideSource:
    """OpenSlide behind one lock; a handle that latched an error is replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._cache = openslide.OpenSlideCache(128 << 20)
        self._handle = self._open()
        slide = self._handle
        properties = slide.properties
        self.vendor = properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown")
        self.level_sizes = tuple((h, w) for w, h in slide.level_dimensions)
        self.level_downsamples = tuple(float(d) for d in slide.level_downsamples)
        height, width = self.level_sizes[0]
        self.bounds_l0 = (
            int(properties.get(openslide.PROPERTY_NAME_BOUNDS_Y, 0)),
            int(properties.get(openslide.PROPERTY_NAME_BOUNDS_X, 0)),
            int(properties.get(openslide.PROPERTY_NAME_BOUNDS_HEIGHT, height)),
            int(properties.get(openslide.PROPERTY_NAME_BOUNDS_WIDTH, width)),
        )
        self.mpp = self._read_mpp()
        colour = properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "ffffff")
        self._background = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32)

    def _open(self) -> openslide.OpenSlide:
        try:
            handle = openslide.OpenSlide(str(self._path))
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"{self._path.name} cannot be opened as a slide: {error}.",
                "The file may be cut short or gone; copy it again from where it came.",
            ) from error
        except OSError as error:
            raise SlideError(
                f"{self._path.name} is not there any more.", "Put it back or relocate it."
            ) from error
        handle.set_cache(self._cache)
        return handle

    def _reopen(self) -> None:
        fresh = self._open()
        self._handle.close()
        self._handle = fresh

    def _read_mpp(self) -> float | None:
        properties = self._handle.properties
        try:
            mpp_y = float(properties[openslide.PROPERTY_NAME_MPP_Y])
            mpp_x = float(properties[openslide.PROPERTY_NAME_MPP_X])
        except (KeyError, ValueError):
            return None
        if not (_plausible(mpp_y) and _plausible(mpp_x)):
            return None
        if not 0.95 < mpp_y / mpp_x < 1.05:
            raise PixelSizeError(
                f"The pixels of {self._path.name} are not square ({mpp_y:g} by {mpp_x:g} um).",
                "Resample the slide to square pixels first.",
            )
        return math.sqrt(mpp_y * mpp_x)

    def read(self, y_l0: int, x_l0: int, level: int, h: int, w: int) -> RegionRead:
        with self._lock:
            try:
                image = self._handle.read_region((x_l0, y_l0), level, (w, h))
            except openslide.OpenSlideError:
                # The first error latches the handle for ever, so good tiles would fail too.
                self._reopen()
                try:
                    image = self._handle.read_region((x_l0, y_l0), level, (w, h))
                except openslide.OpenSlideError:
                    self._reopen()
                    return RegionRead(np.full((h, w, 3), 255, np.uint8), TileStatus.CORRUPT)
        rgba = np.asarray(image)
        alpha = rgba[..., 3]
        if alpha.min() == 255:
            return RegionRead(np.ascontiguousarray(rgba[..., :3]), TileStatus.OK)
        share = alpha[..., None].astype(np.float32) / 255.0
        blended = rgba[..., :3] * share + self._background * (1.0 - share)
        missing = float((alpha < 128).mean()) > _TRANSPARENT_SHARE
        return RegionRead(np.rint(blended).astype(np.uint8), TileStatus.MISSING if missing else TileStatus.OK)

    def close(self) -> None:
        with self._lock:
            self._handle.close()


class _PlainSource:
    """A JPEG, PNG or untiled TIFF field held in memory."""

    def __init__(self, path: Path) -> None:
        try:
            # Pillow warns of what it then raises as an error, which is caught below.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                opened = Image.open(path, formats=_PLAIN_FORMATS)
            with opened as image:
                width, height = image.size
                if width * height > _PLAIN_MAX_PX:
                    raise SlideError(
                        f"{path.name} has {width * height / 1e6:.0f} megapixels, too many for a plain image.",
                        "Convert it to a pyramidal tiled TIFF, which is read piece by piece.",
                    )
                self._rgb: Rgb = np.asarray(image.convert("RGB"))
                self.vendor = f"plain {image.format}"
        except UnidentifiedImageError as error:
            raise SlideError(
                f"{path.name} is not a slide or image that can be read.",
                "Use a format that OpenSlide reads (SVS, NDPI, MRXS, SCN, tiled TIFF, DICOM) or JPEG, PNG, "
                "TIFF; a slide that was cut short looks like this too, so copy it again.",
            ) from error
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise SlideError(
                f"{path.name} is damaged: {error}.", "Copy it again from where it came."
            ) from error
        self.level_sizes: tuple[tuple[int, int], ...] = ((height, width),)
        self.level_downsamples: tuple[float, ...] = (1.0,)
        # The resolution tag of such a file is a printer's or a screen's, never a microscope's.
        self.mpp: float | None = None
        self.bounds_l0 = (0, 0, height, width)

    def read(self, y_l0: int, x_l0: int, level: int, h: int, w: int) -> RegionRead:
        del level
        out = np.full((h, w, 3), 255, np.uint8)
        height, width = self._rgb.shape[:2]
        y0, x0, y1, x1 = max(y_l0, 0), max(x_l0, 0), min(y_l0 + h, height), min(x_l0 + w, width)
        if y1 > y0 and x1 > x0:
            out[y0 - y_l0 : y1 - y_l0, x0 - x_l0 : x1 - x_l0] = self._rgb[y0:y1, x0:x1]
        inside = y_l0 >= 0 and x_l0 >= 0 and y_l0 + h <= height and x_l0 + w <= width
        return RegionRead(out, TileStatus.OK if inside else TileStatus.OUTSIDE)

    def close(self) -> None:
        self._rgb = np.empty((0, 0, 3), np.uint8)


def _open_source(path: Path) -> _Source:
    if not path.exists():
        raise SlideError(f"There is no file {path}.", "Check the spelling of the path.")
    if path.is_file() and path.stat().st_size == 0:
        raise SlideError(f"{path.name} is empty.", "Copy it again from where it came.")
    try:
        vendor = openslide.OpenSlide.detect_format(str(path))
        cut_short = vendor is None and path.is_file() and is_cut_short(path)
    except OSError as error:
        raise SlideError(f"{path.name} cannot be read: {error}.", "Check its permissions.") from error
    if vendor is not None:
        return _OpenSlideSource(path)
    if path.is_dir():
        raise SlideError(f"{path.name} is a folder, not a slide.", "Choose the slide file itself.")
    if cut_short:
        # Its first image may be whole, but what the rest of the file says of it is gone.
        raise SlideError(
            f"{path.name} was cut short.", "The file is incomplete: copy it again from where it came."
        )
    return _PlainSource(path)


class Slide:
    """An open slide. Opened by the process that reads it; reading is thread-safe.

    Use :meth:`open`, and close it (it is a context manager).
    """

    def __init__(self, source: _Source, info: SlideInfo) -> None:
        self._source = source
        self.info = info

    @classmethod
    def open(cls, path: Path, mpp: float | None = None) -> Slide:
        """Open any format OpenSlide reads, or a plain JPEG, PNG or TIFF.

        Parameters
        ----------
        path
            The file.
        mpp
            Pixel size in um per px as stated by the user; it overrides the file's.

        Raises
        ------
        SlideError, PixelSizeError
        """
        path = Path(path)
        wish = None if mpp is None else validate_mpp(mpp)
        source = _open_source(path)
        height, width = source.level_sizes[0]
        known: float | None = wish if wish is not None else source.mpp
        info = SlideInfo(
            path=path,
            fingerprint=fingerprint_file(path),
            height_px=height,
            width_px=width,
            level_sizes=source.level_sizes,
            level_downsamples=source.level_downsamples,
            mpp=known,
            mpp_source="user" if wish is not None else "file" if known is not None else "unknown",
            bounds_l0=source.bounds_l0,
            vendor=source.vendor,
        )
        return cls(source, info)

    def read_region(self, y_l0: int, x_l0: int, level: int, h: int, w: int) -> RegionRead:
        """Read `h` by `w` px of a level whose top left corner is at (`y_l0`, `x_l0`) in level-0 px.

        Raises
        ------
        SlideError
            If the file itself can no longer be opened; a bad tile is a status, not an error.
        """
        return self._source.read(y_l0, x_l0, level, h, w)

    def thumbnail(self, max_px: int) -> Rgb:
        """Return the whole slide as uint8 (h, w, 3), its longer side at most `max_px` px."""
        return self.view(max_px)[0]

    def view(self, max_px: int) -> tuple[Rgb, npt.NDArray[np.bool_]]:
        """Return :meth:`thumbnail` and a bool (h, w) that is True where the file is corrupt."""
        from sae_backend.slides.pyramid import read_view

        height, width = self.info.height_px, self.info.width_px
        factor = max(1.0, max(height, width) / max_px)
        return read_view(self, (max(1, round(height / factor)), max(1, round(width / factor))))

    def close(self) -> None:
        """Release the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
