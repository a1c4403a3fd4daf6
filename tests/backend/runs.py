"""Small slides, SAEs and requests with which the tests run whole jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from sae_backend.cards import EncoderCard, SaeCard
from sae_backend.client import Backend
from sae_backend.compute.encoders import CONTROL_ID, load_encoder
from sae_backend.compute.sae import SparseAutoencoder
from sae_backend.messages import AnalyzeRequest, Cancelled, Crashed, Done, Event, Failed
from tests.slides import stained_field, write_tiff

TILE_PX, MPP = 32, 0.5
SPEC = {"tile_px": TILE_PX, "tile_mpp": MPP, "min_tissue": 0.0}
N_FEATURES = 384
ENDS = (Done, Failed, Cancelled, Crashed)


def small_slide(path: Path, rows: int = 10, cols: int = 12) -> Path:
    """Tissue all over; tiles of 32 px at 0.5 um per px are its grid of rows x cols."""
    return write_tiff(path, [stained_field(rows * TILE_PX, cols * TILE_PX)], MPP, tile=TILE_PX)


def control_card() -> EncoderCard:
    """Card of the control encoder, as an analysis uses it."""
    return load_encoder(CONTROL_ID).card


def small_sae(encoder: EncoderCard, tile_px: int = TILE_PX, width: int | None = None) -> SparseAutoencoder:
    """Random directions, so that about a quarter of the features fire in a tile."""
    d_in = width or encoder.width
    generator = torch.Generator().manual_seed(0)
    w_dec = torch.randn(N_FEATURES, d_in, generator=generator)
    w_dec /= w_dec.norm(dim=1, keepdim=True)
    card = SaeCard(
        "", d_in, N_FEATURES, "standard", encoder.id, encoder.digest, encoder.layer, "cls", MPP, tile_px,
        {"kind": "none"}, {}, {},
    )  # fmt: skip
    bias = torch.full((N_FEATURES,), -0.7)
    return SparseAutoencoder(w_dec.T.contiguous(), bias, w_dec, torch.zeros(d_in), card)


def request_for(slide: Path, cache: Path, sae_dir: Path | None = None, batch: int = 4) -> AnalyzeRequest:
    """Analysis with the control encoder on the CPU."""
    return AnalyzeRequest(
        str(slide), str(cache), CONTROL_ID, tile_spec=SPEC,
        sae_dir=None if sae_dir is None else str(sae_dir), device="cpu", batch=batch,
    )  # fmt: skip


def collect(backend: Backend, until: Callable[[Event], bool], timeout_s: float = 180.0) -> list[Event]:
    """Events up to and including the first for which `until` is true."""
    seen: list[Event] = []
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        for event in backend.poll():
            seen.append(event)
            if until(event):
                return seen
        time.sleep(0.002)
    raise AssertionError(f"no such event in {timeout_s:g} s; the last were {seen[-3:]}")


def to_the_end(backend: Backend, job: int, timeout_s: float = 180.0) -> list[Event]:
    """Events up to the one that ends a job."""
    return collect(backend, lambda event: isinstance(event, ENDS) and event.job == job, timeout_s)


def contents(folder: str | Path) -> dict[str, bytes]:
    """Bytes of every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
