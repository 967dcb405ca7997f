"""Loading of what stays for the life of the process, modules and the config's model, at less cost."""

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_METADATA = "importlib.metadata"
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


@contextmanager
def without_collecting() -> Iterator[None]:
    """Load in this context without the garbage collector: it would search again and again what stays anyway."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def collect_the_rest() -> None:
    """Enable the collector, if it is disabled, for what comes from now on: what is loaded by now, it leaves alone."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextmanager
def without_plugins() -> Iterator[None]:
    """Build models of pydantic in this context without its plugins, which are for programs that watch their own models.

    To find them, it would read the metadata of every installed package; so it does for models that the candidate
    builds. It imports `entry_points` for it in any case: here from a stand-in, which loads `importlib.metadata` when
    something of it is used. That module takes as long as a tenth of `gate`.
    """
    stand_in = ModuleType(_METADATA)
    vars(stand_in).update(entry_points=_entry_points, __getattr__=_of_the_real)
    is_used = sys.modules.setdefault(_METADATA, stand_in) is stand_in
    given = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = "__all__"
    try:
        yield
    finally:
        os.environ.pop(_PLUGINS)
        os.environ.update({} if given is None else {_PLUGINS: given})
        if is_used and sys.modules[_METADATA] is stand_in:
            del sys.modules[_METADATA]


def load_pydantic() -> None:
    """Load pydantic and build something with it, so that what parses a command's options finds it loaded."""
    with without_plugins():
        from pydantic import TypeAdapter

        TypeAdapter(bool)


def _entry_points(**wanted: Any) -> Any:
    return _of_the_real("entry_points")(**wanted)


def _of_the_real(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if _METADATA in sys.modules and "__file__" not in vars(sys.modules[_METADATA]):
        del sys.modules[_METADATA]
    return getattr(importlib.import_module(_METADATA), name)
