"""`schemas.native: false`: the same values, without native code."""

import sys
from pathlib import Path

import pytest

from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import parse
from tests.bombs.values import ID, One
from tests.least_config import least_config
from tests.tidy.house import Source, imports_of

SCHEMA = parse('{"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}')
VALUES = [framed(ID) + bytes((2 * n,)) for n in range(64)]


def test_values_are_the_same_without_pyruhvro_which_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = Decoder(One(SCHEMA), bounds=decoded_bounds(least_config()))
    assert with_it.columns(VALUES) is not None
    expected = with_it.decode_many(VALUES)
    monkeypatch.setitem(sys.modules, "pyruhvro", None)  # any import of it fails
    without = Decoder(One(SCHEMA), bounds=decoded_bounds(least_config(schemas={"native": False})))
    assert without.columns(VALUES) is None
    assert without.decode_many(VALUES) == expected == [{"n": n} for n in range(64)]
    assert without.formatted(without.format.model_copy(update={"header": True})).columns(VALUES) is None


def test_no_module_loads_it_before_it_is_needed() -> None:
    path = Path(__file__).parents[2] / "shadowstream/codecs/columns.py"
    source = Source("shadowstream/codecs/columns.py", path.read_text("utf-8"))
    assert [name for node in source.tree.body for name in [ast_import(node)] if name == "pyruhvro"] == []
    assert "pyruhvro" in {module for _, module, _ in imports_of(source)}


def ast_import(node: object) -> str:
    """The module of a plain import at the top."""
    return next((alias.name for alias in getattr(node, "names", ())), "")
