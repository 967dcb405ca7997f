"""One pair for people: its differences, both whole values beside each other, and its input."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from shadowstream.cli.output import cell, console, put_json, put_wrapped
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.kafka.reading.pair_reader import PairReader
from shadowstream.status.differing_rows import slice_text
from shadowstream.status.pair_values import FieldOfInput, FieldOfPair, fields_of_input, fields_of_pair
from shadowstream.status.words import key_text, path_text, place_text, side_text, time_text


def show_pair(trial: Config, row: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a row of diff with the records that it names."""
    redactor = Redactor.of(trial)
    found = PairReader(trial).read(row)
    differing = [one["path"] for one in row["differences"]]
    fields, more = fields_of_pair(found.production.value, found.candidate.value, differing, redactor, found.parts)
    of_input, more_of_input = fields_of_input(found.input.value, redactor)
    records = {"production": found.production, "candidate": found.candidate, "input": found.input}
    if as_json:
        places = {name: {"record": one.where, "problem": one.problem} for name, one in records.items()}
        parts = {"fields": [one._asdict() for one in fields], "input": [one._asdict() for one in of_input]}
        put_json({"row": row, "records": places, **parts, "fields_left_out": more, "input_left_out": more_of_input})
        return
    reason = f" ({row['reason']})" if row["reason"] else ""
    where = f" in {slice_text(row['dimensions'])}" if row["dimensions"] else ""
    when = f"{time_text(row['time_ms'])} UTC"
    put_wrapped(f"pair {row['pair_id']}, key {key_text(row)}, {when}: {row['outcome']}{where}{reason}")
    for name, one in records.items():
        put_wrapped(f"  {name}: {place_text(one.where, one.problem, deleted=one.value is None)}")
    if fields:
        console().print(_values(fields, more))
    if of_input:
        console().print(_input(of_input, more_of_input))


def _values(fields: list[FieldOfPair], more: int) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("", "field", "production", "candidate"):
        table.add_column(title, overflow="fold")
    for one in fields:
        style = "red" * one.differs
        texts = path_text(one.path), side_text(one.production), side_text(one.candidate)
        table.add_row(cell("≠" * one.differs, style), *(cell(text, style) for text in texts))
    if more:
        table.add_row(cell(""), cell(f"and {more:,} more"))
    return table


def _input(fields: list[FieldOfInput], more: int) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("field of the input", "value"):
        table.add_column(title, overflow="fold")
    for one in fields:
        table.add_row(cell(path_text(one.path)), cell(one.value))
    if more:
        table.add_row(cell(f"and {more:,} more"))
    return table
