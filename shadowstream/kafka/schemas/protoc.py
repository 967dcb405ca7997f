"""Compilation of Protobuf text to descriptors, by the compiler of grpcio-tools (docs/decisions/0013).

It runs as a process of its own, because it is written in C++ and its input comes from a registry.
"""

import importlib.util
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from shadowstream import extras
from shadowstream.child_processes import module_command
from shadowstream.codecs.schemas import ProtobufSchema

COMPILE_S = 30.0
_MESSAGE_MAX = 500


def compile_proto(name: str, text: str, imports: Mapping[str, str]) -> ProtobufSchema:
    """Compile a `.proto` text; `imports` are the texts of its imports, by the names that it uses.

    Google's own files (``google/protobuf/timestamp.proto`` and so on) may be missing there. Raises ValueError with the
    compiler's message, or `ConfigError` if it is not installed.
    """
    extras.require("schemas: Protobuf", "protobuf")
    with tempfile.TemporaryDirectory(prefix="shadowstream-protoc-") as folder:
        root, out = Path(folder) / "in", Path(folder) / "out"
        for file, content in {**imports, name: text}.items():
            _write(root, file, content)
        command = module_command("grpc_tools.protoc", f"--proto_path={root}", f"--proto_path={_google()}")
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
    spec = importlib.util.find_spec("grpc_tools")
    return Path(spec.origin if spec and spec.origin else ".").parent / "_proto"
