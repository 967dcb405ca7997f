"""Templates of the HTML pages: one layout without scripts or external resources, to be mailed, archived and printed.

The template engine escapes everything from records.
"""

from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from shadowstream.status.words import (
    key_text,
    log_text,
    number,
    path_text,
    printable,
    rate_text,
    side_text,
    time_text,
    typical_text,
)

_WORDS = {
    "number": number,
    "path_text": path_text,
    "log": log_text,
    "rate": rate_text,
    "time": time_text,
    "key": key_text,
    "side": side_text,
    "typical": typical_text,
}


@cache
def template(name: str) -> jinja2.Template:
    """Return a template of this package by the name of its file."""
    loader = jinja2.FunctionLoader(lambda file: (files(__package__) / file).read_text("utf-8"))
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, undefined=_Absent, loader=loader, finalize=_printable
    )
    environment.globals.update(_WORDS)
    return environment.get_template(name)


def _printable(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


class _Absent(jinja2.ChainableUndefined):
    """Undefined value for fields that an older verdict lacks: empty, as the schemas' defaults are."""
