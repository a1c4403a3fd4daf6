import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sae_backend.cells.formats.delimited_table import has_coordinates, text_columns
from sae_backend.cells.import_options import ColumnMap, ReadOptions
from sae_backend.errors import CellsError, PixelSizeError
from tests.backend.cells.formats.cell_files import read_raw, slide_info


@pytest.fixture
def read(tmp_path):
    """Read a table from a file, in level-0 px."""

    def read(content, mpp=None, bounds=(0, 0, 1000, 2000), **options):
        path = tmp_path / "cells.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        raw = read_raw(path, ReadOptions(**options), slide_info(mpp=mpp, bounds_l0=bounds))
        yx = raw.yx * raw.placement.scale + np.asarray(raw.placement.offset_l0)
        return raw, yx.tolist()

    return read


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
def test_header_spellings(read, header):
    raw, yx = read(f"{header}\n1.5,2.5,A\n3,4,B\n")
    assert yx == [[2.5, 1.5], [4, 3]]
    assert [raw.type_names[i] for i in raw.type_index] == ["A", "B"]


@pytest.mark.parametrize(
    "header",
    ["x_um,y_um,type", "Centroid X µm,Centroid Y µm,Class", "x (μm),y (μm),type", "X microns,Y microns,type"],
)
def test_um_is_converted_with_the_pixel_size(read, header):
    assert read(f"{header}\n10,20,A\n", mpp=0.5)[1] == [[40, 20]]
    with pytest.raises(PixelSizeError, match="pixel size of the slide is unknown"):
        read(f"{header}\n10,20,A\n")


def test_pixels_win_over_um(read):
    raw, yx = read("x_um,y_um,x_px,y_px\n1,1,7,8\n", mpp=0.5)
    assert yx == [[8, 7]] and raw.measures == {}
    assert "x_px, y_px; coordinates in px" in raw.notes[0]


QUPATH = (
    "Image\tObject ID\tObject type\tName\tClassification\tParent\tROI\tCentroid X µm\tCentroid Y µm\tNucleus: Area µm^2\n"
    "a.svs\t5f-1\tCell\t\tTumor: Positive\tRoot\tPolygon\t5\t10\t31.5\n"
    "a.svs\t5f-2\tCell\t\t\tRoot\tPolygon\t6\t11\t\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_qupath_measurements_are_moved_to_the_scanned_area(read, encoding):
    raw, yx = read(QUPATH.encode(encoding), mpp=0.5, bounds=(100, 200, 500, 500))
    assert yx == [[120, 210], [122, 212]]
    assert raw.type_names == ("Tumor: Positive", "Unclassified") and raw.tool == "QuPath"
    np.testing.assert_array_equal(raw.measures["Nucleus: Area µm^2"], np.float32([31.5, np.nan]))
    assert set(raw.measures) == {"Nucleus: Area µm^2"}


def test_lists_of_points_of_qupath_and_hovernext(read):
    raw, yx = read("x\ty\tname\tcolor\n12\t34\tepithelial\t-256\n", bounds=(10, 20, 500, 500))
    assert yx == [[44, 32]] and raw.type_names == ("epithelial",) and raw.tool == "QuPath"


def test_stated_columns_units_and_scale(read):
    text = "a,b,x,y,what,size\n1,2,3,4,T,7.5\n"
    chosen = ColumnMap("a", "b", "what", "um", ("size",))
    raw, yx = read(text, mpp=0.5, columns=chosen)
    assert yx == [[4, 2]] and raw.type_names == ("T",)
    assert raw.measures["size"].tolist() == [7.5]
    assert raw.assumed["columns"] == {"x": "a", "y": "b", "type": "what", "unit": "um"}
    assert read(text, columns=ColumnMap("a", "b"), level=1)[1] == [[8, 4]]
    assert read(text, columns=ColumnMap("a", "b"), mag=10, base_mag=40)[1] == [[8, 4]]
    with pytest.raises(CellsError, match="no column 'c'; it has 'a', 'b'"):
        read(text, columns=ColumnMap("a", "c"))
    with pytest.raises(CellsError, match="is in um"):
        read(text, mpp=0.5, columns=chosen, level=1)


def test_pixel_size_of_the_coordinates(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("x,y\n10,20\n")
    assert read_raw(path, ReadOptions(mpp=1.0), slide_info(mpp=0.25)).placement.scale == 4
    with pytest.raises(PixelSizeError):
        read_raw(path, ReadOptions(mpp=1.0), slide_info(mpp=None))


def test_without_a_type_column_and_with_blank_types(read):
    assert read("x,y\n1,2\n")[0].type_names == ("Unclassified",)
    raw, _ = read("x,y,type\n1,2,\n1,2, A \n")
    assert [raw.type_names[i] for i in raw.type_index] == ["Unclassified", "A"]


def test_semicolons_decimal_commas_quotes_and_carriage_returns(read):
    raw, yx = read('x;y;type;size\r\n1,5;2,5;"A;B";3,25\r\n2,5;2,5;"A\r\nB";4\r\n')
    assert yx == [[2.5, 1.5], [2.5, 2.5]] and raw.type_names == ("A\r\nB", "A;B")
    assert raw.measures["size"].tolist() == [3.25, 4]


def test_columns_of_numbers_become_measures_and_others_do_not(read):
    raw, _ = read("x,y,size,note,id,flag\n1,2,3,good,7,1\n1,2,NaN,5,8,NA\n")
    assert set(raw.measures) == {"size", "flag"}
    np.testing.assert_array_equal(raw.measures["flag"], np.float32([1, np.nan]))


def test_a_measure_with_a_text_later_on_loses_only_that(read, monkeypatch):
    monkeypatch.setattr("sae_backend.cells.formats.delimited_table._CSV_BLOCK_BYTES", 1000)
    rows = "".join(f"1,1,{i}.5\n" for i in range(1, 3000)) + "1,1,bad\n"
    raw, yx = read("x,y,size\n" + rows)
    assert len(yx) == 3000 and raw.measures["size"][7] == 8.5 and np.isnan(raw.measures["size"][-1])
    assert any("1 measured values are no numbers" in note for note in raw.notes)


@pytest.mark.parametrize(
    "labels", [pa.array(["A", None]), pa.array(["A", None]).dictionary_encode(), pa.array([1, 2])]
)
def test_parquet(read, labels):
    file = io.BytesIO()
    columns = {
        "X": pa.array([1, 2]),
        "Y": pa.array([3.5, 4.0]),
        "type": labels,
        "size": [7, 8],
        "text": ["a", "b"],
    }
    pq.write_table(pa.table(columns), file)
    raw, yx = read(file.getvalue())
    assert yx == [[3.5, 1], [4, 2]]
    assert len(raw.type_names) == 2 and set(raw.measures) == {"size"}


def test_names_of_columns_alone():
    assert has_coordinates(["a", "X", "Y"]) and not has_coordinates(["x"])
    assert text_columns("Centroid X µm\tCentroid Y µm\n1\t2".encode("latin-1")) == (
        ["Centroid X µm", "Centroid Y µm"],
        "\t",
    )
    assert text_columns(b"\x00\x01") == ([], "")


def test_another_encoding_later_on_is_refused(read):
    rows = "1,2,\xe9t\xe9\n" * 300_000
    with pytest.raises(CellsError, match="UTF-8 in one part"):
        read(b"x,y,type\n" + rows.encode() + b"1,2,\xe9\n")
