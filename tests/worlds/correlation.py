"""Small worlds with known truth for the tests of the correlations."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse

from sae_backend.correlation.engine import SlidePart

TYPES = ("A", "B")


def part(features, counts, slide="one", valid=None, places=None, tile_um=100.0):
    """Make a part of dense arrays; tiles fill a square row by row unless `places` are given."""
    features = np.asarray(features, np.float32)
    n = len(features)
    if places is None:
        places = np.divmod(np.arange(n), max(1, int(np.ceil(np.sqrt(n)))))
    return SlidePart(
        features=sparse.csc_array(features),
        counts=np.asarray(counts),
        valid=np.ones(n, bool) if valid is None else np.asarray(valid),
        rows=np.asarray(places[0], np.int32),
        cols=np.asarray(places[1], np.int32),
        tile_um=tile_um,
        slide=slide,
    )


def sparse_features(rng, n, n_features, rate=0.15):
    """Independent features, on in `rate` of the tiles."""
    return (rng.random((n, n_features)) < rate) * rng.exponential(1, (n, n_features))


def slide_null(rng, n_slides=12, n_features=20):
    """Features and counts that differ between slides of unequal size and know nothing of each other."""
    parts = []
    for s in range(n_slides):
        n = int(rng.choice([10, 20, 40, 80]))
        lively = rng.random(n_features) < 0.4
        features = sparse_features(rng, n, n_features, 0.3) * (0.2 + lively)
        counts = rng.poisson(rng.gamma(1.0, 4.0, len(TYPES)), (n, len(TYPES)))
        parts.append(part(features, counts, f"slide {s}"))
    return parts


def block_null(rng, edge=4, n_blocks=4, n_features=20):
    """One slide of square regions; each region has its own features and, unrelated, its own counts."""
    side = edge * n_blocks
    rows, cols = (a.ravel() for a in np.mgrid[0:side, 0:side])
    region = rows // edge * n_blocks + cols // edge
    lively = rng.random((n_blocks**2, n_features)) < 0.4
    features = sparse_features(rng, side**2, n_features, 0.3) * (0.2 + lively[region])
    counts = rng.poisson(rng.gamma(1.0, 4.0, (n_blocks**2, len(TYPES)))[region])
    return [part(features, counts, places=(rows, cols), tile_um=100.0)]


def laid_rows(parts, order):
    """Row whose counts come to lie on each row when slide `order[k]` is laid on slide k, tile by tile."""
    starts = np.cumsum([0, *(p.n_tiles for p in parts)])
    found = []
    for k, mine in enumerate(parts):
        other = parts[order[k]]
        own, box = (np.stack([p.rows - p.rows.min(), p.cols - p.cols.min()], axis=1) for p in (mine, other))
        size, room = own.max(axis=0) + 1, box.max(axis=0) + 1
        for place in own:
            at = place + (room - size) // 2
            wave = at % (2 * room)
            at = np.where(wave < room, wave, 2 * room - 1 - wave)
            distance = ((box - at) ** 2).sum(axis=1)
            found.append((starts[order[k]], np.flatnonzero(distance == distance.min())))
    return found


def independent_maps(rng, side=20, sigma=2.0, n_features=20, n_slides=1):
    """Smooth features and smooth counts on tissue of a ragged shape; neither knows of the other.

    Each map is cut out of a larger one, as a section is cut out of an organ.
    """

    def smooth(width):
        margin = int(4 * width) + 1
        noise = rng.normal(size=(side + 2 * margin, side + 2 * margin))
        found = ndimage.gaussian_filter(noise, width, mode="wrap") * width * 3.5
        return found[margin:-margin, margin:-margin].ravel()

    rows, cols = (a.ravel() for a in np.mgrid[0:side, 0:side])
    parts = []
    for s in range(n_slides):
        tissue = smooth(side / 6) > -0.5
        grain = rng.uniform(0.5, 1.5, (side**2, n_features))
        features = np.stack([np.maximum(smooth(sigma) - 1, 0) for _ in range(n_features)], axis=1) * grain
        counts = np.stack([rng.poisson(np.exp(smooth(sigma))) for _ in TYPES], axis=1)
        places = (rows[tissue], cols[tissue])
        parts.append(part(features[tissue], counts[tissue], f"slide {s}", places=places))
    return parts
