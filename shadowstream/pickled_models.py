"""Pickled models, read only with the digest that the config pins: reading a pickle runs any code that it holds."""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from shadowstream.errors import ConfigError

if TYPE_CHECKING:  # the candidate's own process starts faster without it
    from shadowstream.config.model_server import Pickle


def check_digest(pickled: Pickle) -> None:
    """Raise `ConfigError` if the file cannot be read or has another digest. The file is not unpickled."""
    try:
        with Path(pickled.path).open("rb") as file:
            _compare(pickled, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise ConfigError(f"candidate.pickle.path: {pickled.path} cannot be read: {error.strerror}") from error


def load_pickled(pickled: Pickle) -> Callable[..., Any]:
    """Return the callable of a pickled model. Raises `ConfigError` if the file has another digest or cannot be loaded.

    Call it only where the candidate's process is confined. The bytes that are unpickled are those that were hashed.
    """
    try:
        content = Path(pickled.path).read_bytes()
    except OSError as error:
        raise ConfigError(f"candidate.pickle.path: {pickled.path} cannot be read: {error.strerror}") from error
    _compare(pickled, hashlib.sha256(content).hexdigest())
    try:
        loads = pickle.load if pickled.format == "pickle" else importlib.import_module("joblib").load
        loaded = loads(io.BytesIO(content))
        function = loaded if pickled.method is None else getattr(loaded, pickled.method)
    except Exception as error:  # the pickle of the user's can raise anything
        raise ConfigError(f"candidate.pickle: {pickled.path} cannot be loaded: {error!r}") from error
    if not callable(function):
        raise ConfigError(
            f"candidate.pickle: {pickled.path} holds a {type(loaded).__name__}, which cannot be called; name a method "
            "of it in candidate.pickle.method, for example predict"
        )
    return _with_plain_results(cast("Callable[..., Any]", function))


def _with_plain_results(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return arrays of NumPy as lists: a batch is answered by a list."""

    def call(values: Any) -> Any:
        returned = function(values)
        return returned.tolist() if hasattr(returned, "tolist") else returned

    return functools.update_wrapper(call, function, updated=())


def _compare(pickled: Pickle, found: str) -> None:
    if found != pickled.sha256:
        raise ConfigError(
            f"candidate.pickle.sha256: {pickled.path} has the SHA-256 {found}, and the config pins {pickled.sha256}; "
            "if you know the new file, pin its digest, which makes a new revision"
        )
