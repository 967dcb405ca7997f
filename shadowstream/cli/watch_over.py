"""`watch-over`: the config of a trial turned round, by which the old version runs as the shadow after a promote."""

import os
import re
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from shadowstream.cli.output import ConfigPath, Json, put_or_say
from shadowstream.cli.written_file import refuse_unwritable
from shadowstream.config import Config
from shadowstream.configfile import ConfigSource, layers_as_written, load, open_source
from shadowstream.errors import ConfigError
from shadowstream.handover.turned_config import Turned, Wanted, turned
from shadowstream.revision import revision_of
from shadowstream.topics import TopicPlan
from shadowstream.yamlfile import written

SUFFIX = "-back"
_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_WIDTH = 100
_HEAD = (
    "The trial {name} turned round: production is the new version, the candidate is the old one.",
    "reject means: roll back. The new version is shown to be worse than the old one, by more than a limit below.",
    "promote means: keep it. The new version is shown to be as good as the old one, and this trial may end.",
    "not yet means: keep watching. An incident says since when and where the new version differs; it is no order yet.",
    "Ask: shadowstream gate {file} (exit code 3 rolls back).",
    "To roll back, follow the way back of the plan that handover printed: stop the new version, {between}then start "
    "the old one.",
)


def watch_over(
    config: ConfigPath,
    candidate: Annotated[
        str,
        typer.Option(
            help="the old version: package.module:callable, or a YAML file that holds its section candidate",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="file to write, beside CONFIG; must not exist", show_default=False)],
    name: Annotated[str | None, typer.Option(help="name of the new trial; default: the old name with -back")] = None,
    group: Annotated[
        str | None, typer.Option(help="consumer group of the new version; default: production's, which it took over")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="path of a field that the new version has added; may be repeated")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the config turned round: the old version runs as the shadow of the promoted one, under the same judge.

    A reject of the new trial means: roll back. It reads no topic and starts nothing; run `up` with the new file. The
    file begins with what changed and why.
    """
    source = open_source(config)
    before = source.config
    if os.path.exists(out):
        raise ConfigError(f"--out {out}: the file exists already; give another name")
    if out.absolute().parent != Path(config).absolute().parent:
        raise ConfigError(f"--out {out}: write it beside {config}, because its paths are relative to its folder")
    refuse_unwritable("--out", out)
    named = name or before.name + SUFFIX
    TopicPlan(named)
    if named == before.name:
        raise ConfigError("--name: the new trial needs a name of its own")
    folder = Path(config).absolute().parent
    data, _ = layers_as_written(config, folder)  # without problems: it has been loaded
    found = turned(data, before, Wanted(named, _section(candidate, folder), group, ignore or ()))
    found.notes.extend(_of_layers(source))
    out.write_text(text_of(found, before, group, out), "utf-8")
    try:
        revision = revision_of(load(out))
    except ConfigError as error:
        out.unlink()
        raise ConfigError(f"the turned config cannot be used, so {out} was not written: {error}") from error
    record = {"out": str(out), "name": named, "revision": revision, "notes": found.notes}
    notes = "".join(f"\n  {note}" for note in found.notes)
    put_or_say(record, f"{out}: trial {named!r}, revision {revision}; a reject means roll back{notes}", as_json=as_json)


def text_of(found: Turned, before: Config, group: str | None, out: Path) -> str:
    """Return the file: what it is and what changed as comments, then the config."""
    between = ""
    if (old := before.production.group) is not None:
        new = group or old
        copy = "" if new == old else f" give group {old} the commits of group {new},"
        between = f"wait until group {new} is empty,{copy} "
    head = [line.format(name=before.name, file=out, between=between) for line in _HEAD]
    notes = ["What changed, and what to check:", *(f"- {note}" for note in found.notes)]
    comments = [part for line in (*head, *notes) for part in textwrap.wrap(line, _WIDTH, subsequent_indent="  ")]
    return "".join(f"# {line}\n" for line in comments) + written(found.document)


def _of_layers(source: ConfigSource) -> list[str]:
    """Return the note on the files and presets that the config extends, which the turned one does not."""
    others = list(dict.fromkeys(place.file for place in source.places.values() if place.file != source.file))
    if not others:
        return []
    return [f"it holds the content of {', '.join(others)}, and does not follow later changes there"]


def _section(candidate: str, folder: Path) -> dict[str, Any]:
    """Return the section of the old version, with paths relative to `folder`. Raises `ConfigError`."""
    if _ENTRY_POINT.fullmatch(candidate):
        return {"call": candidate}
    data, problems = layers_as_written(candidate, folder)
    if problems:
        raise ConfigError(
            f"--candidate {candidate}: {problems[0].message}; give package.module:callable, or a YAML file with the "
            "section candidate"
        )
    section = data.get("candidate", data) if isinstance(data, dict) else None
    if not isinstance(section, dict):
        raise ConfigError(
            f"--candidate {candidate}: the file holds no keys; write for example candidate: {{call: m:f}}"
        )
    return section
