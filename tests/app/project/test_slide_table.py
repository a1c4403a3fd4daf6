"""Tables of slides: how they are read, what is refused, and which slide a row is about."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from desktop_app.project.slides.slide_matches import match_slides
from desktop_app.project.slides.slide_table import SlideTable, TableRow, read_slide_table
from sae_backend.errors import UserInputError


@dataclass(frozen=True)
class Known:
    id: int
    name: str


def read(folder: Path, text: str | bytes) -> SlideTable:
    path = folder / "cohort.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_slide_table(path)


def refused(folder: Path, text: str | bytes, *parts: str) -> None:
    with pytest.raises(UserInputError) as caught:
        read(folder, text)
    said = f"{caught.value.sentence} {caught.value.hint}"
    assert caught.value.hint and not [part for part in parts if part not in said], said


@pytest.mark.parametrize(
    "text",
    [
        "Slide ID,patient,site\na.svs,Müller,north\n\nb.svs,P2,\n",
        "\ufeffpatient;site;IMAGE\r\nMüller;north;a.svs\r\nP2;;b.svs\r\n",
        'site\tfilename\tpatient\nnorth\tC:\\scans\\a.svs\t"Müller"\n\t/data/b.svs\tP2\n',
        "slide,name,patient,site\na.svs,A,Müller,north\na.svs,A,,north\nb.svs,B,P2\n",
    ],
    ids=["csv", "bom and semicolons", "tsv with folders", "one slide twice, a short row"],
)
def test_the_same_table_in_several_forms(tmp_path: Path, text: str) -> None:
    rows = {row.slide: row.values for row in read(tmp_path, text).rows}
    kept = {
        slide: {key: values[key] for key in ("patient", "site")} for slide, values in rows.items()
    }  # fmt: skip
    assert kept == {
        "a.svs": {"patient": "Müller", "site": "north"},
        "b.svs": {"patient": "P2", "site": ""},
    }


def test_what_cannot_be_read_is_refused_with_a_way_out(tmp_path: Path) -> None:
    refused(tmp_path, "", "cohort.csv is empty")
    refused(tmp_path, "\ufeff\n \n", "is empty")
    refused(tmp_path, "patient,site\nP1,north\n", "no column that names the slides", "'patient', 'site'")
    refused(tmp_path, "slide\na.svs\n", "nothing of its slides")
    refused(tmp_path, "slide,patient\n", "no rows")
    refused(tmp_path, "slide,site,site\na,1,2\n", "two columns named 'site'")
    refused(tmp_path, "slide,site\nb,1\n\na,1,2\n", "Row 4", "3 fields, but there are 2 columns")
    refused(tmp_path, "slide,patient\na,P1\nb,P2\na,P3\n", "about a", "patient is 'P1' and 'P3'")
    refused(tmp_path, 'slide,patient\na,"P1\n', "not a proper table", "quotation mark")
    refused(tmp_path, pickle.dumps({"slide": "a"}), "a pickle", "as CSV")
    refused(tmp_path, "slide,patient\na,Müller\n".encode("cp1252"), "UTF-8", "as CSV")
    refused(tmp_path, "slide,patient\na,b\n".encode("utf-16"), "UTF-8", "as CSV")
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "<x/>")
    refused(tmp_path, (tmp_path / "book.xlsx").read_bytes(), "workbook", "as CSV")
    with pytest.raises(UserInputError, match="cannot be read"):
        read_slide_table(tmp_path / "no.csv")


def table(*rows: tuple[str, str]) -> SlideTable:
    return SlideTable(
        "t.csv", "slide", ("patient",), tuple(TableRow(slide, {"patient": text}) for slide, text in rows)
    )


SLIDES = [Known(1, "a.svs"), Known(2, "b.svs"), Known(3, "b.ndpi"), Known(4, "c.1.svs"), Known(5, "D.svs")]


def test_rows_find_their_slides_by_name_then_by_stem() -> None:
    found = match_slides(
        table(("a", "P1"), ("b.ndpi", "P2"), ("b", "P9"), ("c.1", "P3"), ("c.2", "P9"), ("d.tif", "P4"),
              ("x", "P9"), ("y", "P9"), ("z", "P9")),
        SLIDES,
    )  # fmt: skip
    assert found.values == {
        1: {"patient": "P1"},
        3: {"patient": "P2"},
        4: {"patient": "P3"},
        5: {"patient": "P4"},
    }
    assert found.ambiguous == ("b",) and found.unknown == ("c.2", "x", "y", "z")
    assert found.words == (
        "4 of 5 slides got patient; 4 rows name no slide of this project: c.2, x, y …; "
        "1 row fits several slides, so nothing was taken of it: b."
    )


def test_a_row_of_another_file_is_not_taken_for_a_slide_that_has_its_own() -> None:
    found = match_slides(table(("a.tif", "P9"), ("a.svs", "P1")), SLIDES)
    assert found.values == {1: {"patient": "P1"}} and found.unknown == ("a.tif",)
    with pytest.raises(UserInputError, match=r"about a\.svs and contradict"):
        match_slides(table(("a", "P9"), ("a.svs", "P1")), SLIDES)
    twins = [Known(1, "a.svs"), Known(2, "A.svs"), Known(3, "e.svs"), Known(4, "e.svs")]
    found = match_slides(table(("a.svs", "P1"), ("A.SVS", "P2"), ("e.svs", "P3")), twins)
    assert found.values == {1: {"patient": "P1"}} and found.ambiguous == ("A.SVS", "e.svs")


def test_a_table_of_another_cohort_is_refused() -> None:
    with pytest.raises(UserInputError, match="'slide' holds S1, S2") as caught:
        match_slides(table(("S1", "P1"), ("S2", "P2")), SLIDES)
    assert "such as a.svs" in caught.value.hint


def test_what_was_left_out_of_the_table_is_counted(tmp_path: Path) -> None:
    found = match_slides(read(tmp_path, ",slide,patient,empty\n0,a.svs,P1,\n1,,P2,\n2,b.svs,,\n"), SLIDES)
    assert found.values[2] == {"patient": "", "empty": ""}
    assert found.words == (
        "1 of 5 slides got patient; 1 row without a slide's name left out; 1 column without a name left out."
    )
