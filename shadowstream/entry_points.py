"""Functions of the user's code, loaded by their entry point."""

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, cast

from shadowstream.errors import ConfigError

NOT_AWAITED = "shadowstream calls it without awaiting it; write def, not async def"
NOT_A_LIST = "it would return a generator; return a list, not yield"


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


def refusal(function: Any, arguments: int) -> str | None:
    """The reason why a function cannot be called with this number of arguments, as the end of a sentence; None if it
    may work.

    >>> refusal(lambda value: value, 1)
    >>> refusal(lambda value, other: value, 1)
    "cannot be called with 1 argument: missing a required argument: 'other'"
    """
    called = function.func if isinstance(function, functools.partial) else function
    for part in (called, getattr(called, "__call__", None)):  # noqa: B004 - the method is inspected, not called
        if inspect.iscoroutinefunction(part) or inspect.isasyncgenfunction(part):
            return f"is a coroutine function: {NOT_AWAITED}"
        if inspect.isgeneratorfunction(part):
            return f"is a generator function: {NOT_A_LIST}"
    try:
        inspect.signature(function).bind(*[None] * arguments)
    except TypeError as error:
        plural = "" if arguments == 1 else "s"
        return f"cannot be called with {arguments} argument{plural}: {error}"
    except ValueError:  # a function in C has no signature
        return None
    return None
