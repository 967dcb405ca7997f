"""Types of the elements of tensors, as the Open Inference Protocol names them, and values in these types."""

import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
_SHOWN_MAX = 40


def element(datatype: Datatype, value: Any) -> bool | int | float | str:
    """Return a value as an element of this type. Raises `ValueError` for a value that would become another one.

    >>> element("INT8", 3.0), element("FP32", 3), element("BYTES", b"eu")
    (3, 3.0, 'eu')
    >>> element("UINT8", 256)
    Traceback (most recent call last):
    ...
    ValueError: 256 is no UINT8
    """
    converted: bool | int | float | str | None
    if datatype == "BOOL":
        converted = value if isinstance(value, bool) else None
    elif datatype == "BYTES":
        converted = _text(value)
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        converted = None
    elif datatype.startswith("FP"):
        converted = _float(value)
    else:
        converted = _integer(datatype, value)
    if converted is None:
        shown = repr(value)
        raise ValueError(f"{shown if len(shown) <= _SHOWN_MAX else type(value).__name__} is no {datatype}")
    return converted


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else None


def _float(value: int | float | Decimal) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _integer(datatype: Datatype, value: int | float | Decimal) -> int | None:
    if not isinstance(value, int) and (not math.isfinite(value) or int(value) != value):
        return None
    whole = int(value)
    bits = int(datatype.removeprefix("U").removeprefix("INT"))
    low, high = (0, 2**bits) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return whole if low <= whole < high else None
