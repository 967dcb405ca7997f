"""Protobuf text to descriptors, by the compiler that comes with grpcio-tools (docs/decisions/0013).

It runs as a process of its own: what it is given comes from a registry, and it is written in C++.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from shadowstream.codecs.schemas import ProtobufSchema
from shadowstream.errors import ConfigError

COMPILE_S = 30.0
_MESSAGE_MAX = 500


def compiled(name: str, text: str, imports: Mapping[str, str]) -> ProtobufSchema:
    """The schema of a `.proto` text; `imports` are the texts of what it imports, by the names it calls them.

    Google's own (``google/protobuf/timestamp.proto`` and so on) need not be among them. Raises ValueError with what the
    compiler says, `ConfigError` where it is not installed.
    """
    if importlib.util.find_spec("grpc_tools") is None:
        raise ConfigError("schemas of Protobuf need grpcio-tools: install shadowstream[protobuf]")
    with tempfile.TemporaryDirectory(prefix="shadowstream-protoc-") as folder:
        root, out = Path(folder) / "in", Path(folder) / "out"
        for file, content in {**imports, name: text}.items():
            _write(root, file, content)
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={root}", f"--proto_path={_google()}"]
        command += ["--include_imports", f"--descriptor_set_out={out}", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"not compiled within {COMPILE_S:.0f} s") from error
        if done.returncode:
            raise ValueError(f"no Protobuf schema: {done.stderr.strip()[:_MESSAGE_MAX]}")
        return ProtobufSchema(out.read_bytes(), name)


def _write(root: Path, file: str, content: str) -> None:
    at = PurePosixPath(file)
    if at.is_absolute() or ".." in at.parts or file.startswith("-"):
        raise ValueError(f"import {file!r} is no path below the schema")
    (root / at).parent.mkdir(parents=True, exist_ok=True)
    (root / at).write_text(content, "utf-8")


def _google() -> Path:
    """The folder of Google's own types, which travel with the compiler."""
    spec = importlib.util.find_spec("grpc_tools")
    return Path(spec.origin if spec and spec.origin else ".").parent / "_proto"
