"""A real MLflow registry in a SQLite file, by MLflow's own client. Its packages are installed apart.

`make lock` writes their lock, by this module as a program.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.packages_apart import ROOT, installed, write_lock

LOCK = Path(__file__).parent / "mlflow.lock"
WANTED = ("mlflow-skinny==3.17.2", "sqlalchemy>=2", "alembic")
MODEL = "fraud"
_MAKE = f"""
client.create_registered_model("{MODEL}")
for n in (1, 2):
    client.create_model_version("{MODEL}", source=f"file:///models/{{n}}")
client.set_registered_model_alias("{MODEL}", "champion", "1")
"""
_SHOW = f"""
aliases = client.get_registered_model("{MODEL}").aliases
tags = {{n: client.get_model_version("{MODEL}", str(n)).tags for n in (1, 2)}}
print(json.dumps([aliases, tags]))
"""


class MlflowStore:
    """A registry with the model fraud: version 1 is champion, version 2 the candidate.

    `made`: the file of such a registry, which is copied; without it, it is made, which takes a minute of migrations.
    """

    def __init__(self, folder: Path, made: Path | None = None) -> None:
        self.file = folder / "mlflow.db"
        uri = f"sqlite:///{self.file}"
        program = folder / "bin" / "shadowstream"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m shadowstream "$@"\n')
        program.chmod(0o755)
        path = os.pathsep.join((str(installed(LOCK)), str(folder), str(ROOT)))
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
        named = {"MLFLOW_TRACKING_URI": uri, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": path}
        self.folder, self.environment = folder, {**os.environ, **quiet, **named}
        if made is None:
            self._client(_MAKE)
        else:
            shutil.copyfile(made, self.file)

    def promote(self, *words: str) -> tuple[int, str]:
        """Run the recipe; return its exit code and what it printed."""
        command = [sys.executable, str(ROOT / "examples" / "mlflow" / "promote.py"), *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def content(self) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """Return the aliases, and the tags of each version."""
        aliases, tags = json.loads(self._client(_SHOW).splitlines()[-1])
        return {name: str(version) for name, version in aliases.items()}, tags

    def _client(self, lines: str) -> str:
        script = f"import json\nfrom mlflow import MlflowClient\nclient = MlflowClient()\n{lines}"
        done: Any = subprocess.run(
            [sys.executable, "-c", script], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-4_000:]
        return str(done.stdout)


if __name__ == "__main__":
    write_lock(LOCK, *WANTED)
