"""Avro's bytes, written and read by this module alone, and Apache Avro's own reader in Java.

A value is as it is written, logical types too; one of a union is (index, value).
"""

import base64
import json
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.java_engines import JARS
from shadowstream.testing.jars import classpath, kafka_classpath

SOURCE = Path(__file__).parent / "java" / "Reads.java"


def _varint(number: int) -> bytes:
    number, out = (number << 1) ^ (number >> 63), b""
    while number > 127:
        number, out = number >> 7, out + bytes([number & 127 | 128])
    return out + bytes([number])


def encode(schema: Any, value: Any, named: dict[str, Any]) -> bytes:
    """The body of a value."""
    if isinstance(schema, list):
        return _varint(value[0]) + encode(schema[value[0]], value[1], named)
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind in named and not isinstance(schema, dict):
        return encode(named[kind], value, named)
    if kind == "null":
        return b""
    if kind == "boolean":
        return bytes([value])
    if kind in ("int", "long"):
        return _varint(value)
    if kind in ("float", "double"):
        return struct.pack("<f" if kind == "float" else "<d", value)
    if kind in ("string", "bytes"):
        raw = value.encode() if kind == "string" else value
        return _varint(len(raw)) + raw
    if kind == "fixed":
        return value
    if kind == "enum":
        return _varint(schema["symbols"].index(value))
    if kind == "record":
        return b"".join(encode(field["type"], value[field["name"]], named) for field in schema["fields"])
    if kind == "array":
        inner = [encode(schema["items"], one, named) for one in value]
    else:
        inner = [encode("string", name, named) + encode(schema["values"], one, named) for name, one in value.items()]
    return (_varint(len(inner)) + b"".join(inner) if inner else b"") + b"\0"


class Body:
    """A body that is read from its start."""

    def __init__(self, raw: bytes, named: dict[str, Any]) -> None:
        self._raw, self._at, self._named = raw, 0, named

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._raw[self._at - size : self._at]

    def _number(self) -> int:
        raw = shift = 0
        while True:
            (byte,) = self._take(1)
            raw |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return (raw >> 1) ^ -(raw & 1)

    def value(self, schema: Any) -> Any:
        if isinstance(schema, list):
            index = self._number()
            return index, self.value(schema[index])
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in self._named and not isinstance(schema, dict):
            return self.value(self._named[kind])
        if kind == "null":
            return None
        if kind == "boolean":
            return self._take(1) == b"\1"
        if kind in ("int", "long"):
            return self._number()
        if kind in ("float", "double"):
            return struct.unpack("<f" if kind == "float" else "<d", self._take(4 if kind == "float" else 8))[0]
        if kind in ("string", "bytes"):
            raw = self._take(self._number())
            return raw.decode() if kind == "string" else raw
        if kind == "fixed":
            return self._take(schema["size"])
        if kind == "enum":
            return schema["symbols"][self._number()]
        if kind == "record":
            return {field["name"]: self.value(field["type"]) for field in schema["fields"]}
        found: list[Any] = []
        while count := self._number():
            if count < 0:
                count = -count
                self._number()
            for _ in range(count):
                name = "" if kind == "array" else self.value("string")
                found.append(self.value(schema["items"]) if kind == "array" else (name, self.value(schema["values"])))
        return found if kind == "array" else dict(found)


def same(one: Any, other: Any) -> bool:
    """Whether two values of one schema are equal, NaN to itself."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


# ---------------------------------------------------------------- Java


class NoJava(Exception):
    """There is no JDK, or no jars for it."""


def java_reads(asked: Iterable[tuple[Any, Any, bytes]]) -> list[list[bytes | str]]:
    """What Avro's Java reader has of bodies of (writer's schema, reader's schema, body): the body that the reader's
    schema has for it, and the one that the writer's has for that; where there is none, the error."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        raise NoJava("no javac on this machine: install a JDK of Java 17 or later")
    try:
        jars = [*kafka_classpath(), *classpath([pin for pin in JARS if ":avro:" in pin[0]])]
    except Exception as error:  # whatever a registry that cannot be reached gives
        raise NoJava(f"the jars of Avro could not be had: {error}") from error
    lines = "".join(
        f"{json.dumps(one)}\t{json.dumps(other)}\t{base64.b64encode(raw).decode()}\n" for one, other, raw in asked
    )
    quick = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
    command = [java, *quick, "-cp", ":".join(map(str, jars)), str(SOURCE)]  # compiled as it is started
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return [
        [one if one.startswith("?") else base64.b64decode(one) for one in line.split("\t")]
        for line in done.stdout.splitlines()
    ]
