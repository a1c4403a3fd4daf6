"""Tables and pictures: whole or not at all, safe in a spreadsheet, true to scale."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from desktop_app.export.heatmap_picture import scale_bar_um
from desktop_app.export.tables import columns_of, write_table
from sae_backend.errors import CacheError, UserInputError
from sae_backend.statistics.number_text import length_text

ROWS = [
    {"feature": 0, "name": "=1+1", "value": None, "type": "Ω, größe"},
    {"feature": 1, "name": "@x", "value": -0.25, "type": 'a "quoted"\nline'},
]


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_text_tables_are_safe_and_read_back(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = tmp_path / "new" / f"table{suffix}"
    write_table(path, columns_of(ROWS))
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter=delimiter))
    assert [row["name"] for row in found] == ["'=1+1", "'@x"]
    assert [row["value"] for row in found] == ["", "-0.25"], "a number is never taken for a formula"
    assert [row["type"] for row in found] == ["Ω, größe", 'a "quoted"\nline']
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_parquet_keeps_values_and_gaps(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", columns_of(ROWS))
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == ROWS


def test_an_older_table_outlives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old", encoding="utf-8")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sae_backend.atomic_write.os.fsync", full)
    with pytest.raises(CacheError) as caught:
        write_table(path, columns_of(ROWS))
    assert caught.value.hint
    assert path.read_text(encoding="utf-8") == "old"
    with pytest.raises(UserInputError, match="xls"):
        write_table(tmp_path / "t.xls", columns_of(ROWS))


@pytest.mark.parametrize(
    ("width_um", "length_um", "words"),
    [(2000.0, 500.0, "500 µm"), (20_000.0, 5000.0, "5 mm"), (90.0, 20.0, "20 µm"), (2.0, 1.0, "1 µm")],
)
def test_a_scale_bar_is_round_and_fits(width_um: float, length_um: float, words: str) -> None:
    assert scale_bar_um(width_um) == length_um
    assert length_text(length_um) == words
