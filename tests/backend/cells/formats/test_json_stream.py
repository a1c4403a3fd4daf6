"""A JSON text comes out of its pieces as it went in, wherever the pieces end."""

import json
import random

import pytest

from sae_backend.cells.parsing.json_stream import JsonPieces
from sae_backend.errors import CellsError

TEXTS = ("", "a", 'quote " in it', "back\\slash", "\\", '\\"', "[{,}]", "é µ ☃", "\n\t")


def put_together(blocks, piece_bytes, may_open=lambda path: True):
    """Build the document again from its pieces, and count them."""
    root, n_pieces = None, 0
    ended = []
    for piece in JsonPieces(blocks, "x.json", may_open, piece_bytes):
        n_pieces += 1
        root = type(piece.items)() if root is None and not piece.path else root
        if root is None:
            root = [] if isinstance(piece.path[0], int) else {}
        place = root
        for step, following in zip(piece.path, (*piece.path, None)[1:], strict=True):
            made = type(piece.items)() if following is None else [] if isinstance(following, int) else {}
            if isinstance(place, list):
                if step == len(place):
                    place.append(made)
                assert step <= len(place)
                place = place[step]
            else:
                place = place.setdefault(step, made)
        (place.extend if isinstance(place, list) else place.update)(piece.items)
        if piece.is_last:
            assert piece.path not in ended
            ended.append(piece.path)
    assert ended[-1] == ()
    return root, n_pieces


def random_document(rng, depth=0):
    kind = rng.random()
    if depth > 4 or kind < 0.3:
        return rng.choice([None, True, 1.5, -3, 1e-7, *TEXTS])
    if kind < 0.65:
        return [random_document(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {f"{rng.choice(TEXTS)}{i}": random_document(rng, depth + 1) for i in range(rng.randrange(5))}


@pytest.mark.parametrize("piece_bytes", [1, 7, 64, 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_documents_come_out_as_they_went_in(piece_bytes, indent):
    rng = random.Random(7)
    for _ in range(60):
        document = [random_document(rng), random_document(rng)]
        text = json.dumps(document, indent=indent, ensure_ascii=rng.random() < 0.5).encode()
        step = rng.choice([1, 3, 50, len(text)])
        blocks = [text[i : i + step] for i in range(0, len(text), step)]
        assert put_together(blocks, piece_bytes)[0] == document


def test_only_what_may_be_opened_is():
    document = {"a": list(range(500)), "b": {"c": list(range(500))}}
    text = json.dumps(document).encode()
    blocks = [text[i : i + 25] for i in range(0, len(text), 25)]
    whole, n_pieces = put_together(blocks, 50, may_open=lambda path: path == ("a",))
    assert whole == document and n_pieces > 20
    paths = {piece.path for piece in JsonPieces(blocks, "x", lambda path: path == ("a",), 50)}
    assert paths == {(), ("a",)}


@pytest.mark.parametrize("piece_bytes", [1, 8, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "[1,,2]", "[1,]", "[,1]", "[1 2]", "[1}", '{"a":1,}', '{"a" 1}', '{"a":[1,2] "b":3}', '{"a":[1]', "[[1],",
        '["a]', "[1]]", "[1][2]", "[1] x", "nothing", "", "[01]", '["\\x"]', "[tru]", "{1:2}", "[[1,2],[3]",
        '{"a":{"b":1},,"c":2}', "[[1,2],,[3]]", '{,"a":1}', "[[1],]",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(text, piece_bytes):
    with pytest.raises(CellsError, match="x.json is not valid JSON: .*near byte"):
        put_together([text.encode()], piece_bytes)


def test_a_single_object_that_is_too_large(monkeypatch):
    monkeypatch.setattr("sae_backend.cells.parsing.json_stream._ITEM_MAX_BYTES", 1000)
    with pytest.raises(CellsError, match="a single object of more than"):
        put_together([b'["', *[b"a" * 50] * 100, b'"]'], 100)
