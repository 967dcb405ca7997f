"""ADWIN of river, imported without the other detectors of `river.drift`.

`river.drift` also imports KSWIN, and KSWIN imports scipy.stats: one second of CPU at each start of a judge. Here the
package is entered without its `__init__`, which stays importable for others.
"""

import importlib
import sys
from importlib.util import find_spec, module_from_spec
from typing import Any

_PACKAGE = "river.drift"


def _load() -> Any:
    """Import the class; its package stays unloaded where it is not loaded yet."""
    spec = find_spec(_PACKAGE)
    if _PACKAGE in sys.modules or spec is None:
        return importlib.import_module(f"{_PACKAGE}.adwin").ADWIN
    sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        return importlib.import_module(f"{_PACKAGE}.adwin").ADWIN
    finally:
        del sys.modules[_PACKAGE]


ADWIN: Any = _load()
"""The class. river publishes no signatures for its detectors."""
