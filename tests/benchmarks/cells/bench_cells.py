"""Time and memory of importing many cells with outlines, against the plain ways of reading the same file.

Run as ``python -m tests.benchmarks.cells.bench_cells [--cells 600000] [--vertices 25]``. Each way runs in a process of
its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from sae_backend.cells.counts import read_cells
from sae_backend.errors import CancelledError
from sae_backend.slides.slide import SlideInfo

SIZE_PX = 100_000
BLOCK = 20_000


def outlines(n: int, n_vertices: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n closed outlines (n, v + 1, 2) of (x, y), rounded as QuPath does."""
    angle = np.linspace(0, 2 * np.pi, n_vertices, endpoint=False)
    centre = rng.uniform(100, SIZE_PX - 100, (n, 1, 2))
    radius = rng.uniform(8, 16, (n, n_vertices, 1))
    open_ring = np.round(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), 2)
    return np.concatenate([open_ring, open_ring[:, :1]], axis=1)


def write_geojson(path: Path, n_cells: int, n_vertices: int) -> None:
    """Write cells as QuPath exports them, with four measurements each."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for start in range(0, n_cells, BLOCK):
            rings = outlines(min(BLOCK, n_cells - start), n_vertices, rng).tolist()
            features = [
                orjson.dumps(
                    {
                        "type": "Feature",
                        "id": f"{start + i:032x}",
                        "geometry": {"type": "Polygon", "coordinates": [ring]},
                        "properties": {
                            "objectType": "detection",
                            "classification": {"name": f"Type {i % 5}", "color": [200, 0, 0]},
                            "measurements": {f"Nucleus: value {k}": i / (k + 3) for k in range(4)},
                        },
                    }
                )
                for i, ring in enumerate(rings)
            ]
            file.write((b"," if start else b"") + b",".join(features))
        file.write(b"]}")


def write_geoparquet(path: Path, n_cells: int, n_vertices: int) -> None:
    """Write the same cells as geopandas does."""
    rng = np.random.default_rng(0)
    column = {"encoding": "WKB", "geometry_types": ["Polygon"]}
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}
    schema = pa.schema(
        [("geometry", pa.binary()), ("classification", pa.string()), ("area", pa.float32())],
        metadata={b"geo": json.dumps(geo).encode()},
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_cells, BLOCK):
            rings = outlines(min(BLOCK, n_cells - start), n_vertices, rng)
            shapes = shapely.to_wkb(shapely.polygons(rings))
            kinds = [f"Type {i % 5}" for i in range(len(rings))]
            columns = [
                pa.array(shapes, pa.binary()),
                pa.array(kinds),
                pa.array(np.ones(len(rings), np.float32)),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def slide() -> SlideInfo:
    """Return a slide that the cells lie on."""
    size = (SIZE_PX, SIZE_PX)
    return SlideInfo(Path("s.svs"), "f", *size, (size,), (1.0,), 0.25, "file", (0, 0, *size), "aperio")


def ours(path: Path) -> int:
    """Read with `read_cells`, told of the progress: cells, types, measures, outlines, shapes."""
    calls: list[int] = []
    table = read_cells(path, slide(), progress=lambda done, total: calls.append(done)).table
    assert table.outlines is not None and len(calls) > 2 and "area_um2" in table.measures
    return table.n_cells


def ours_cancelled(path: Path) -> int:
    """Stop when half is done; what counts is the time from there."""
    stopped_at = 0.0

    def stop(done: int, total: int) -> None:
        nonlocal stopped_at
        if done > total / 2:
            stopped_at = time.perf_counter()
            raise CancelledError("Enough.")

    try:
        read_cells(path, slide(), progress=stop)
    except CancelledError:
        print(f"  stopped {1000 * (time.perf_counter() - stopped_at):.1f} ms after it was told to")
    return 0


def json_load(path: Path) -> int:
    """Only parse, as `json.load` does."""
    with path.open(encoding="utf-8") as file:
        return len(json.load(file)["features"])


def shapely_loop(path: Path) -> int:
    """Parse and make a shapely polygon of each Feature, with its centroid and area, as geopandas does."""
    with path.open(encoding="utf-8") as file:
        features = json.load(file)["features"]
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    places = [(shape.centroid.y, shape.centroid.x, shape.area) for shape in shapes]
    return len(places)


WAYS: dict[str, Callable[[Path], int]] = {
    "ours": ours, "cancelled": ours_cancelled, "json.load": json_load, "shapely loop": shapely_loop,
}  # fmt: skip


def run_here(way: str, path: Path) -> None:
    """Run one way in this process and print what it took."""
    start = time.perf_counter()
    n = WAYS[way](path)
    took_s = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path.suffix[1:]:>8} {way:>13}: {n:,} cells in {took_s:.1f} s, peak {peak_mb:,.0f} MB", flush=True
    )


def main() -> None:
    """Write the files, then measure each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=600_000)
    parser.add_argument("--vertices", type=int, default=25)
    parser.add_argument("--way", choices=(*WAYS, "write"))
    parser.add_argument("--file", type=Path)
    args = parser.parse_args()
    if args.way == "write":
        write = write_geojson if args.file.suffix == ".geojson" else write_geoparquet
        write(args.file, args.cells, args.vertices)
        return
    if args.way:
        run_here(args.way, args.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        geojson, parquet = Path(folder) / "cells.geojson", Path(folder) / "cells.parquet"
        for path in (geojson, parquet):
            size = ["--cells", str(args.cells), "--vertices", str(args.vertices)]
            # A process starts with its parent's peak of memory, so that this one must stay small.
            subprocess.run(
                [sys.executable, __file__, "--way", "write", "--file", str(path), *size], check=True
            )
            print(f"{path.name}: {path.stat().st_size / 1e6:,.0f} MB")
        jobs = [(geojson, way) for way in WAYS] + [(parquet, "ours"), (parquet, "cancelled")]
        for path, way in jobs:
            subprocess.run([sys.executable, __file__, "--way", way, "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
