import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sae_backend.errors import CellsError, PixelSizeError
from sae_backend.formats.cell_table import read_cell_table


def read(text, mpp=None, offset=(0.0, 0.0)):
    return read_cell_table(text.encode(), "cells.csv", mpp, offset)


@pytest.mark.parametrize(
    "header",
    [
        "x,y,type",
        "X,Y,Cell Type",
        "cx,cy,class",
        "Centroid X px,Centroid Y px,Classification",
        "x_l0,y_l0,Label",
        "x [px],y [px],cell_type",
    ],
)
def test_header_spellings(header):
    raw = read(f"{header}\n1.5,2.5,A\n3,4,B\n")
    assert raw.yx_l0.tolist() == [[2.5, 1.5], [4, 3]]
    assert [raw.type_names[i] for i in raw.type_index] == ["A", "B"]


@pytest.mark.parametrize(
    "header",
    ["x_um,y_um,type", "Centroid X µm,Centroid Y µm,Class", "x (μm),y (μm),type", "X microns,Y microns,type"],
)
def test_um_is_converted_with_the_pixel_size(header):
    assert read(f"{header}\n10,20,A\n", mpp=0.5).yx_l0.tolist() == [[40, 20]]
    with pytest.raises(PixelSizeError, match="pixel size of the slide is unknown"):
        read(f"{header}\n10,20,A\n")


def test_pixels_win_over_um():
    raw = read("x_um,y_um,x_px,y_px\n1,1,7,8\n", mpp=0.5)
    assert raw.yx_l0.tolist() == [[8, 7]]
    assert "x_px, y_px; coordinates in px" in raw.notes[0]


def test_qupath_measurements_are_moved_to_the_scanned_area():
    text = "Image\tObject type\tClassification\tCentroid X µm\tCentroid Y µm\na.svs\tCell\tTumor: Positive\t5\t10\n"
    raw = read(text, mpp=0.5, offset=(100.0, 200.0))
    assert raw.yx_l0.tolist() == [[120, 210]]
    assert raw.type_names == ("Tumor: Positive",) and raw.tool == "QuPath"
    latin = read_cell_table(text.encode("latin-1"), "cells.tsv", 0.5, (100.0, 200.0))
    assert latin.yx_l0.tolist() == [[120, 210]]


def test_without_a_type_column_and_with_blank_types():
    assert read("x,y\n1,2\n").type_names == ("Unclassified",)
    raw = read("x,y,type\n1,2,\n1,2, A \n")
    assert [raw.type_names[i] for i in raw.type_index] == ["Unclassified", "A"]


def test_semicolons_decimal_commas_quotes_and_carriage_returns():
    raw = read('x;y;type\r\n1,5;2,5;"A;B"\r\n')
    assert raw.yx_l0.tolist() == [[2.5, 1.5]] and raw.type_names == ("A;B",)


@pytest.mark.parametrize(
    "labels", [pa.array(["A", None]), pa.array(["A", None]).dictionary_encode(), pa.array([1, 2])]
)
def test_parquet(tmp_path, labels):
    path = tmp_path / "cells.parquet"
    pq.write_table(
        pa.table({"X": pa.array([1, 2]), "Y": pa.array([3.5, 4.0]), "type": labels, "z": [0, 0]}), path
    )
    raw = read_cell_table(path.read_bytes(), path.name, None)
    assert raw.yx_l0.tolist() == [[3.5, 1], [4, 2]]
    assert len(raw.type_names) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "no columns for x and y; it has 'a', 'b'"),
        ("x,y\n", "holds no cells"),
        ("x,y\n1,\n", "empty or not finite|no number"),
        ("x,y\nnan,1\n", "not finite in 1 rows, first in row 1"),
        ("x,y\n1,inf\n", "not finite"),
        ("x,y\none,1\n", "no number"),
        ("x,y\n1,2,3\n", "not a proper table"),
        ("x,y,x\n1,2,3\n", "two columns named 'x'"),
        ("\x00\x01\x02", "not a text table"),
    ],
)
def test_bad_tables_are_refused_with_a_hint(text, says):
    with pytest.raises(CellsError, match=says) as caught:
        read(text)
    assert caught.value.hint


def test_damaged_parquet():
    with pytest.raises(CellsError, match="damaged Parquet"):
        read_cell_table(b"PAR1 nothing else", "cells.parquet", None)
