import json

import numpy as np
import pytest

from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.table import CellTable, Outlines
from sae_backend.errors import UserInputError


def table():
    n = 5
    return CellTable(
        np.arange(n, dtype=np.float64),
        np.arange(n, dtype=np.float64),
        np.array([0, 1, 2, 1, 3], np.uint16),
        ("Dead", "Neoplastic", "Tumor", "Z"),
        {"size": np.arange(n, dtype=np.float32)},
        Outlines(np.arange(n + 1), np.zeros((n, 2), np.float32)),
    )


def names(cells):
    return [cells.type_names[i] for i in cells.type_index]


def test_rename_merge_and_leave_out():
    mapped = ClassMap({"Neoplastic": "Tumor", "Z": "A"}, frozenset({"Dead"})).apply(table())
    assert mapped.type_names == ("A", "Tumor") and names(mapped) == ["Tumor", "Tumor", "Tumor", "A"]
    assert mapped.type_index.dtype == np.uint16
    assert mapped.y_l0.tolist() == [1, 2, 3, 4] and mapped.measures["size"].tolist() == [1, 2, 3, 4]
    assert mapped.outlines.n_cells == 4


def test_nothing_said_changes_nothing_and_names_can_be_swapped():
    assert names(ClassMap().apply(table())) == names(table())
    swapped = ClassMap({"Dead": "Tumor", "Tumor": "Dead"}).apply(table())
    assert names(swapped) == ["Tumor", "Neoplastic", "Dead", "Neoplastic", "Z"]


def test_all_left_out():
    left = ClassMap(ignored=frozenset(table().type_names)).apply(table())
    assert left.n_cells == 0 and left.type_names == () and ClassMap().apply(left).n_cells == 0


def test_json_there_and_back_and_equal_ones_are_one():
    made = ClassMap({"B": "A", "C": "A"}, frozenset({"D", "E"}))
    text = json.dumps(made.to_json())
    assert text == '{"renamed": {"B": "A", "C": "A"}, "ignored": ["D", "E"]}'
    assert (
        ClassMap.from_json(json.loads(text)) == made
        and len({made, ClassMap.from_json(json.loads(text))}) == 1
    )
    assert ClassMap.from_json({}) == ClassMap()
    assert made.unknown(["B", "D"]) == ("C", "E")


def test_it_does_not_change_with_what_it_was_made_from():
    given = {"A": "B"}
    made = ClassMap(given)
    given["A"] = "C"
    assert made.renamed["A"] == "B"


@pytest.mark.parametrize(
    "document",
    [
        [], None, "A=B", {"rename": {}}, {"renamed": []}, {"renamed": {"A": 1}}, {"renamed": {"A": None}},
        {"ignored": "A"}, {"ignored": {"A": 1}}, {"ignored": [1]}, {"renamed": {"A": " "}}, {"ignored": [""]},
        {"renamed": {"A": "B"}, "ignored": ["A"]}, {"renamed": {"": "B"}},
    ],
)  # fmt: skip
def test_bad_json_is_refused(document):
    with pytest.raises(UserInputError) as caught:
        ClassMap.from_json(document)
    assert caught.value.sentence.endswith(".") and caught.value.hint


def test_texts_of_the_command_line():
    assert ClassMap.parse(["A = B", "C=B", "D=", "A=B"]) == ClassMap({"A": "B", "C": "B"}, frozenset({"D"}))
    assert ClassMap.parse("A=B=C") == ClassMap({"A": "B=C"})
    for texts in (["A"], ["=B"], [""], ["A=B", "A=C"], ["A=B", "A="], ["A=", "A=B"]):
        with pytest.raises(UserInputError):
            ClassMap.parse(texts)
