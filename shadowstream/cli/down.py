"""`down`: remove a trial from its cluster."""

import sys
import time
from typing import Annotated

import typer

from shadowstream.cli.output import ConfigPath, Json, put_json, say
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.trial.removal import KEPT_ON_REQUEST, TrialRemains, remains_of, remains_of_stopped, remove

GONE_WITHIN_S = 30.0


def down(
    config: ConfigPath,
    yes: Annotated[bool, typer.Option("--yes", help="remove without asking")] = False,
    keep_audit: Annotated[
        bool, typer.Option("--keep-audit", help=f"leave the topics {', '.join(KEPT_ON_REQUEST)}")
    ] = False,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="remove topics under the prefix too that shadowstream did not name")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove a trial from the cluster: its topics and groups under shadow.<name>., and nothing else.

    It asks first, and refuses while roles of the trial run. Production's topics and groups are not touched.
    """
    trial = load(config).acting_as("operator")
    client = admin(trial.kafka)
    found = remains_of_stopped(client, trial)
    kept = {trial.plan.of(kind) for kind in KEPT_ON_REQUEST} if keep_audit else set()
    topics = [topic for topic in (*found.topics, *(found.foreign if foreign else ())) if topic not in kept]
    groups = [group.name for group in found.groups]
    if (topics or groups) and not (yes or _agreed(trial, topics, groups)):
        say("nothing was removed")
        return
    remains_of_stopped(client, trial)  # a role may have been started while the question was open
    remove(client, trial, topics, groups)
    left = _await_removal(trial, topics)
    if as_json:
        put_json({"trial": trial.name, "topics": topics, "groups": groups, "left": left})
        return
    say(f"trial {trial.name!r}: {len(topics)} topics and {len(groups)} groups removed")
    for topic in left:
        why = "on request" if topic in kept else "shadowstream did not name it; --foreign removes it too"
        say(f"left: {topic} ({why})")
    say(
        "transactional ids have no request that deletes them: the brokers drop them by themselves "
        "(transactional.id.expiration.ms, 7 days by default)"
    )
    say(
        "rights of the trial: `shadowstream topics acls` prints them; with --remove instead of --add each is taken back"
    )


def _agreed(trial: Config, topics: list[str], groups: list[str]) -> bool:
    """Ask on the terminal. Raises `ConfigError` without one."""
    for name in topics:
        say(f"topic {name}")
    for name in groups:
        say(f"group {name}")
    if not sys.stdin.isatty():
        raise ConfigError("--yes: nothing was removed; add it to remove these without being asked")
    return typer.confirm(f"Remove these {len(topics)} topics and {len(groups)} groups from {trial.kafka.bootstrap}?")


def _await_removal(trial: Config, topics: list[str]) -> list[str]:
    """Wait until the brokers show these topics no more; return what is left under the prefix."""
    deadline = time.monotonic() + GONE_WITHIN_S
    client = admin(trial.kafka)
    while True:
        found: TrialRemains = remains_of(client, trial.plan)
        left = [*found.topics, *found.foreign]
        still = [topic for topic in left if topic in topics]
        if not still:
            return left
        if time.monotonic() > deadline:
            raise BrokerError(f"the brokers still show {', '.join(still[:5])}; call `down` again", retriable=True)
        time.sleep(0.2)
