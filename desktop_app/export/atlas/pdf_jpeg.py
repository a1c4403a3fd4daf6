"""PDF files of matplotlib whose pictures are JPEG and leave the memory with their page.

matplotlib holds every picture until the file is closed and writes it without loss: several MB a page
here, where JPEG takes a tenth.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import numpy as np
from matplotlib.backends.backend_pdf import Name, PdfFile, PdfPages, pdfRepr
from matplotlib.figure import Figure
from PIL import Image

_JPEG_QUALITY: Final = 85


class _JpegFile(PdfFile):  # type: ignore[misc, unused-ignore]
    def write_pictures(self) -> None:
        """Write the pictures of the page that was just ended, and let go of them."""
        for key, (pixels, name, reference) in list(self._images.items()):
            if pixels is None:
                continue
            self._write_jpeg(np.asarray(pixels)[::-1], reference)
            # Known by its address so far, which another picture may get now.
            del self._images[key]
            self._images[str(name)] = (None, name, reference)

    def _write_jpeg(self, pixels: Any, reference: Any) -> None:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(buffer, "JPEG", quality=_JPEG_QUALITY)
        height, width = pixels.shape[:2]
        head = {
            "Type": Name("XObject"),
            "Subtype": Name("Image"),
            "Width": width,
            "Height": height,
            "ColorSpace": Name("DeviceRGB"),
            "BitsPerComponent": 8,
            "Filter": Name("DCTDecode"),
            "Length": len(buffer.getvalue()),
        }
        self.recordXref(reference.id)
        self.write(b"%d 0 obj\n%s\nstream\n" % (reference.id, pdfRepr(head)))
        self.write(buffer.getvalue())
        self.write(b"\nendstream\nendobj\n")

    def writeImages(self) -> None:
        self.write_pictures()


class JpegPdf(PdfPages):  # type: ignore[misc, unused-ignore]
    """A PDF of many pages whose pictures are opaque; a context manager.

    Parameters
    ----------
    file
        Where it goes.
    metadata
        What the file says of itself.
    """

    def __init__(self, file: BinaryIO, metadata: Mapping[str, Any]) -> None:
        super().__init__(file, metadata=dict(metadata))
        self._file: _JpegFile | None = None

    def _ensure_file(self) -> _JpegFile:
        if self._file is None:
            self._file = _JpegFile(self._filename, metadata=self._metadata)
        return self._file

    def add_page(self, figure: Figure) -> None:
        """Add a figure as the next page."""
        self.savefig(figure)
        self._ensure_file().write_pictures()
