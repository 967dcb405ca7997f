"""Files that a command writes: refused before the work where they cannot be written."""

import os
import tempfile
from pathlib import Path

from shadowstream.errors import ConfigError


def refuse_unwritable(option: str, path: Path) -> None:
    """Raise `ConfigError` if the file cannot be written; leave it as it is, and make none."""
    existed = os.path.lexists(path)
    try:
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise unwritable(option, path, error) from error


def refuse_unusable_folder(option: str, folder: str) -> None:
    """Raise `ConfigError` if no file can be made in the folder; make none."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(f"{option}: no file can be made in {folder}: {error.strerror or error}") from error


def unwritable(option: str, path: Path, error: OSError) -> ConfigError:
    """Return the error of a file that cannot be written."""
    return ConfigError(f"{option}: cannot write {path}: {error.strerror or error}")
