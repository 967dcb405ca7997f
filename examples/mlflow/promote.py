"""Move an alias of an MLflow model registry to the candidate's version where the gate answers promote; else leave it.

    python promote.py trial.yaml --model fraud --version 7 --alias champion

The version gets the gate's answer as tags `shadowstream.*`, whatever it is. The registry is the one that MLflow is set
to (MLFLOW_REGISTRY_URI or MLFLOW_TRACKING_URI). Ends with the gate's exit code: 0 promote, 3 reject, 4 not yet, 1 and 2
an error. Needs `mlflow` or `mlflow-skinny`, and `shadowstream` on the path.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

DECISIONS = {0: "promote", 3: "reject", 4: "not_yet"}
PREFIX = "shadowstream."
REASON_CHARS_MAX = 1_000


def asked(config: str, options: list[str]) -> tuple[int, dict[str, Any]]:
    """Ask the gate; return its exit code and its answer, which holds `error` where there is none."""
    command = ["shadowstream", "gate", config, *options, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines else {"error": {"message": "the gate printed no answer"}}
    return done.returncode, answer


def tags_of(code: int, answer: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the tags of an answer; None for one that it has not, so that none of an earlier answer stays."""
    error, evaluated_ms = answer.get("error"), answer.get("evaluated_at_ms")
    reason = error["message"] if error else next(iter(answer["reasons"]), "")
    found = {
        "decision": DECISIONS.get(code, "error"),
        "reason": reason[:REASON_CHARS_MAX],
        "asked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "trial": answer.get("name"),
        "revision": answer.get("revision"),
        "evaluated_at": evaluated_ms and datetime.fromtimestamp(evaluated_ms / 1000, UTC).isoformat(timespec="seconds"),
        "evidence_digest": answer.get("evidence_digest"),
        "signature": (answer.get("signed") or {}).get("signature"),
    }
    return {f"{PREFIX}{name}": text for name, text in found.items()}


def main() -> int:
    """Ask the gate, tag the version, and move the alias on promote."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="the trial's YAML file")
    parser.add_argument("--model", required=True, help="name of the registered model")
    parser.add_argument("--version", required=True, help="version that the trial runs as its candidate")
    parser.add_argument("--alias", default="champion", help="alias that production loads")
    parser.add_argument(
        "--gate", action="append", default=[], metavar="OPTION", help="option of `gate`: --gate=--max-age=6h"
    )
    given = parser.parse_args()
    client = MlflowClient()
    try:
        known = client.get_model_version(given.model, given.version).tags
    except MlflowException as error:
        print(
            f"error: version {given.version} of {given.model} is not in the registry: {error.message}", file=sys.stderr
        )
        return 2
    code, answer = asked(given.config, given.gate)
    # Tags first: an alias never points to a version without the answer that moved it.
    tags = tags_of(code, answer)
    for name, text in tags.items():
        if text is not None:
            client.set_model_version_tag(given.model, given.version, name, text)
        elif name in known:
            client.delete_model_version_tag(given.model, given.version, name)
    decision, reason = tags[f"{PREFIX}decision"], tags[f"{PREFIX}reason"]
    named = f"{given.model}@{given.alias}"
    if code == 0:
        client.set_registered_model_alias(given.model, given.alias, given.version)
        print(f"{named} is version {given.version}: promote")
        return 0
    holder = client.get_registered_model(given.model).aliases.get(given.alias)
    print(f"{named} stays {'unset' if holder is None else f'version {holder}'}: {decision}: {reason}")
    if str(holder) == given.version:
        print(f"{named} is the version asked about, which may not be promoted any more: decide what to serve")
    return code


if __name__ == "__main__":
    sys.exit(main())
