"""Functions of the user's code, loaded by their entry point."""

import importlib
from collections.abc import Callable
from typing import Any, cast

from shadowstream.errors import ConfigError


def load_entry_point(entry: str, key: str) -> Callable[..., Any]:
    """Import the callable of an entry point ``package.module:name``, which the config has under `key`. Raises
    `ConfigError` where it cannot be imported, whatever the user's code raises, or is not callable."""
    module_name, _, name = entry.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # importing user code can raise anything
        raise ConfigError(f"{key}: cannot load {entry!r}: {error!r}") from error
    if not callable(function):
        raise ConfigError(f"{key}: {entry!r} is not callable")
    return cast("Callable[..., Any]", function)
