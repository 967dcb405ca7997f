"""`pause`, `resume`, `sample set`: steer the runner of a trial while it runs, with a name and a reason."""

from typing import Annotated, Any

import typer

from shadowstream.cli.output import ConfigPath, Json, put_or_say
from shadowstream.config import Config
from shadowstream.configfile import load
from shadowstream.errors import ConfigError
from shadowstream.judge.steering import pause_refusal, share_refusal
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import write_command

By = Annotated[str, typer.Option(help="who decides", show_default=False)]
Why = Annotated[str, typer.Option(help="why", show_default=False)]
_sample = typer.Typer(help="Change the share of the keys on which the candidate is called.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(pause)
    app.command()(resume)
    _sample.command("set")(set_)
    app.add_typer(_sample, name="sample")


def pause(config: ConfigPath, by: By, reason: Why, as_json: Json = False) -> None:
    """Pause the runner of a trial: it reads no inputs until `resume`, and a restart keeps it paused.

    Nothing is left out: only its lag grows, within the retention of the inputs. The evidence does not change.
    """
    trial, record = _command(config, "pause", by, reason)
    write_command(trial, record)
    put_or_say(record, f"trial {trial.name}: paused by {by}; `shadowstream resume` reads on", as_json=as_json)


def resume(config: ConfigPath, by: By, reason: Why, as_json: Json = False) -> None:
    """Let a paused runner read on from where it paused."""
    trial, record = _command(config, "resume", by, reason)
    write_command(trial, record)
    put_or_say(record, f"trial {trial.name}: resumed by {by}", as_json=as_json)


def set_(
    config: ConfigPath,
    share: Annotated[float, typer.Argument(help="above 0, and at most candidate.sample", show_default=False)],
    by: By,
    reason: Why,
    as_json: Json = False,
) -> None:
    """Call the candidate on this share of the keys from the next batch on; the rest ends as `sampled_out`.

    A smaller share holds some of the keys of a greater one. candidate.sample as SHARE takes the change back.
    """
    trial, record = _command(config, "sample", by, reason)
    if (refusal := share_refusal(trial, share)) is not None:
        raise ConfigError(f"SHARE {share:g}: {refusal}")
    write_command(trial, record | {"share": share})
    text = f"trial {trial.name}: {share:.4g} of the keys from the next batch on, by {by}"
    put_or_say(record | {"share": share}, text, as_json=as_json)


def _command(config: str, name: str, by: str, reason: str) -> tuple[Config, dict[str, Any]]:
    for option, text in (("--by", by), ("--reason", reason)):
        if not text.strip():
            raise ConfigError(f"{option}: must not be empty; give who decides (--by) and why (--reason)")
    trial = load(config).acting_as("operator")
    if (refusal := pause_refusal(trial)) is not None:
        raise ConfigError(refusal)
    return trial, {"command": name, "subject": trial.name, "by": by, "reason": reason, "at_ms": now_ms()}
