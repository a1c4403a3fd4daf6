"""A run of the correlations in words: the strongest features of each type, and what they have to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from desktop_app.store import CorrelationRecord
from sae_backend.representations import SAE

Arrays = Mapping[str, npt.NDArray[Any]]


def strongest_text(record: CorrelationRecord, arrays: Arrays, n_top: int = 3) -> str:
    """The strongest features of every cell type, with n, unit, method, baselines and notes."""
    meta = record.meta
    return "\n".join(
        [
            facts_text(meta),
            *_types(meta, arrays, n_top),
            *(f"Note: {note}" for note in meta["notes"]),
            f"Method: {meta['method']}.",
        ]
    )


def facts_text(meta: Mapping[str, Any]) -> str:
    """What the values stand on, in one sentence."""
    slides = count_text(meta["n_slides"], "slide")
    n = f"{meta['n_tiles']:,} tiles of {slides}; resampled: {meta['n_clusters']} x {meta['unit']}"
    split = meta.get("split")
    if not meta.get("held_out") or not split:
        return f"Pearson r over {n}. Features were chosen and reported on the same tiles."
    if split["unit"] == "half slide":
        return f"Pearson r over {n}: one half of each slide, held out from the choice of features."
    total = split["n_choose"] + split["n_report"]
    return (
        f"Pearson r over {n}: {split['n_report']} of {total} {split['unit']}s, held out from the choice of "
        f"features (seed {split['seed']})."
    )


def count_text(n: int, noun: str) -> str:
    """Give a number with its noun in singular or plural."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def value_text(value: float, low: float, high: float) -> str:
    """Value with its interval; what is not finite is not there."""
    if not np.isfinite(value):
        return "not defined"
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{value:+.2f} (no interval)"
    return f"{value:+.2f} (95 % interval {low:+.2f} to {high:+.2f})"


def _types(meta: Mapping[str, Any], arrays: Arrays, n_top: int) -> Iterator[str]:
    statistic = "pearson" if "pearson" in meta["statistics"] else meta["statistics"][0]
    pairs = {key: arrays[f"{statistic}/{key}"] for key in ("value", "ci_low", "ci_high", "p", "q")}
    chosen = arrays.get(f"{statistic}/choose", pairs["value"])
    for c, name in enumerate(meta["type_names"]):
        strength = np.nan_to_num(np.abs(chosen[:, c]), nan=-1.0)
        best = [int(f) for f in np.argsort(-strength, kind="stable")[:n_top] if strength[f] >= 0]
        yield f"{name}:" if best else f"{name}: no feature has a defined correlation"
        for f in best:
            text = value_text(*(float(pairs[key][f, c]) for key in ("value", "ci_low", "ci_high")))
            p = float(pairs["p"][f, c])
            text += f", family-wise p {p:.3g}" if np.isfinite(p) else ", p not defined"
            if meta.get("held_out"):
                text += f"; where chosen {chosen[f, c]:+.2f}"
            yield f"  feature {f:>6}  {text}"
        if best:
            yield from _beside(meta, arrays, statistic, c)


def _beside(meta: Mapping[str, Any], arrays: Arrays, statistic: str, c: int) -> Iterator[str]:
    """What the best of other columns reaches, and what chance alone does."""
    words = []
    for name in meta.get("baselines", []):
        value = float(arrays[f"baseline/{name}/value"][c])
        if name != SAE and np.isfinite(value):
            words.append(f"best of {meta['baseline_titles'][name]} {value:+.2f}")
    band = float(arrays[f"{statistic}/band"][c])
    if np.isfinite(band):
        words.append(f"chance alone reaches {band:.2f} in 5 of 100 draws")
    if words:
        yield f"  beside    {'; '.join(words)}"
