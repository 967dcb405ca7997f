"""Commands of the program: the module of each and the first paragraph of its help, so that `--help` loads none."""

from typing import NamedTuple


class Command(NamedTuple):
    """A command: its module in this package, what the help of the program shows of it, and the extras that it always
    needs. Others depend on the config or on options."""

    module: str
    help: str
    extras: tuple[str, ...] = ()


COMMANDS = {
    "run": Command("roles", "Run the candidate on the inputs, in a group of its own, writing to the shadow topics."),
    "join": Command("roles", "Pair production's outputs with the candidate's; write differences and statistics."),
    "judge": Command(
        "roles",
        "Judge the statistics: drift events and the verdict. One judge per trial; a second one takes over.",
        extras=("judge",),
    ),
    "labels": Command(
        "roles",
        "Wait for late labels and score production and the candidate on the same records. One process per trial.",
    ),
    "up": Command(
        "up", "Run all roles here as supervised processes, until all are done (bounded) or Ctrl-C.", extras=("judge",)
    ),
    "init": Command(
        "init",
        "Write the first config of a trial: samples topics, finds what fits, and says above each line why.",
    ),
    "validate": Command("config_commands", "Check a config offline: every problem with its file, line and key."),
    "plan": Command(
        "plan",
        "Show what a trial will take, from a sample of its topics: load, disk, memory, and hours until it can decide.",
        extras=("judge",),
    ),
    "gate": Command(
        "gate",
        "May the candidate be promoted? Exit code 0 promote, 3 reject, 4 not yet, 1 cluster unreachable, 2 bad config.",
    ),
    "verify": Command(
        "verify", "Check who signed a verdict or a webhook. Exit code 0 genuine, 3 not genuine, 4 could not tell."
    ),
    "explain": Command(
        "explain",
        "Say where each criterion stands, what else is in the way, and what to do about it: records and hours.",
        extras=("judge",),
    ),
    "status": Command(
        "status",
        "Show a running trial: records and lag of each side, open windows, outcomes, criteria, incidents and roles.",
        extras=("judge",),
    ),
    "challengers": Command(
        "challengers",
        "Compare the candidates of several trials on the same records of production: which is shown to be better?",
        extras=("judge",),
    ),
    "compare": Command(
        "compare",
        "Compare two topics record by record; nothing is written. Exit code 0 equal, 3 differ, 4 could not tell.",
    ),
    "web": Command(
        "web",
        "Show the live page of these trials until Ctrl-C: verdict, evidence, differences, incidents and roles.",
        extras=("judge", "web"),
    ),
    "report": Command(
        "report",
        "Write the verdict as a report; exit code 0 whatever it is. With --json and no --out print its facts as JSON.",
        extras=("judge",),
    ),
    "replay": Command(
        "replay",
        "Judge the stored statistics by this config's criteria: would the verdict differ? Exit code 0.",
        extras=("judge",),
    ),
    "suggest": Command(
        "suggest",
        "Propose rules and changes for the config from the differences so far, and prove them. Exit code 0.",
    ),
    "prove": Command(
        "prove",
        "Plant differences in copies of real pairs: which does the gate find, and after how many records?",
    ),
    "override": Command(
        "override",
        "Decide by hand for one revision, whatever its evidence says; another revision is not touched by it.",
    ),
    "approve": Command(
        "approve", "Approve the promote of one revision, which waits for it under `judge.approval: manual`."
    ),
    "handover": Command(
        "handover",
        "Print how a promoted candidate takes over production's group at exact offsets, and back; move nothing.",
    ),
    "watch-over": Command(
        "watch_over",
        "Write the config turned round: the old version runs as the shadow of the promoted one, under the same judge.",
    ),
    "pause": Command(
        "steer", "Pause the runner of a trial: it reads no inputs until `resume`, and a restart keeps it paused."
    ),
    "resume": Command("steer", "Let a paused runner read on from where it paused."),
    "sample": Command("steer", "Change the share of the keys on which the candidate is called."),
    "diff": Command("diff", "Show differences between production and the candidate: a table, or a JSON object a line."),
    "list": Command(
        "trials", "Show the trials on a cluster: last verdict, its time and revision, topics, and the roles that run."
    ),
    "down": Command(
        "down", "Remove a trial from the cluster: its topics and groups under shadow.<name>., and nothing else."
    ),
    "dlq": Command(
        "dlq",
        "Show dead letters: records that a role could not use, and the reason of each; first how many of each kind.",
    ),
    "kafka": Command(
        "kafka",
        "Run a real Apache Kafka on this machine until Ctrl-C; the first line on stdout is its bootstrap address.",
        extras=("kafka",),
    ),
    "demo": Command(
        "demo",
        "From nothing to a verdict: real Kafka, the 336,776 flights of 2013, production, candidate, judgement.",
        extras=("demo", "judge"),
    ),
    "alerts": Command("alerts", "Deliver incidents and rejects; list, acknowledge and mute incidents."),
    "config": Command("config_commands", "look at a config"),
    "schema": Command("config_commands", "schemas of what shadowstream reads and writes"),
    "topics": Command("topics", "the trial's own topics and rights"),
    "doctor": Command(
        "doctor",
        "Check rights and cluster with each role's credentials. Exit code 0, or 2 where a role would refuse to start.",
    ),
}
"""In the order of the help."""
