"""The text of a trial's first config: each line has its evidence or its reason above it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shadowstream.config import Judge
from shadowstream.first_config.comparing_text import put_compare, put_judge
from shadowstream.first_config.field_rules import Proposal
from shadowstream.first_config.findings import Findings, Seen
from shadowstream.first_config.sampled import Sampled
from shadowstream.first_config.wording import duration, of_all
from shadowstream.first_config.yaml_lines import Lines
from shadowstream.runner.partitioner_detection import REPARTITION
from shadowstream.yaml_flow import flow, quoted

ALTERNATIVES_SHOWN = 3
GROUPS_SHOWN = 10
KINDS_SHOWN = 3
MARGIN_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Answers:
    """Settings that no sample shows: given as options or by a person.

    `candidate`: its section without what is found; `group`: production's, None if it is not known. `rules`: proposals
    that a person has confirmed.
    """

    name: str
    kafka: Mapping[str, object]
    candidate: Mapping[str, object]
    schemas: Mapping[str, object] = field(default_factory=dict)
    group: str | None = None
    commits_after_output: bool = False
    is_bounded: bool = False
    rules: Sequence[Proposal] = ()


def config_text(seen: Seen, found: Findings, given: Answers) -> str:
    """Return the YAML file."""
    lines = Lines()
    _put_head(lines, seen)
    _put_access(lines, seen, given)
    _put_topics(lines, seen, given)
    _put_candidate(lines, seen, found, given)
    _put_identity(lines, seen, found)
    _put_start(lines, seen, found, given)
    put_compare(lines, found.proposals, given.rules)
    put_judge(lines, Judge())
    return str(lines)


def _put_head(lines: Lines, seen: Seen) -> None:
    read = ", ".join(f"{len(one):,} of {one.topic}" for one in (*seen.inputs, *seen.outputs))
    lines.why(f"Config of a trial, made by `shadowstream init` from samples of the newest records: {read}.")
    lines.why(
        "Each setting has its reason above it. A line that begins with # and no space is a proposal that is "
        "commented out: decide, and remove its # if you want it. `shadowstream validate` checks this file, "
        "`shadowstream config show` prints it with every default.",
    )


def _put_access(lines: Lines, seen: Seen, given: Answers) -> None:
    lines.gap()
    lines.why(f"All topics and groups of the trial begin with shadow.{given.name}. and nothing else is written.")
    lines.put(f"name: {flow(given.name)}")
    lines.gap()
    lines.why("The cluster that was sampled. Passwords are read from environment variables.")
    lines.put("kafka:")
    client = given.kafka.get("client")
    lines.put(f"bootstrap: {flow(given.kafka['bootstrap'])}", 2)
    if isinstance(client, Mapping) and client:
        lines.why("Settings of Kafka's client (librdkafka), as they were given.", 2)
        lines.put("client:", 2)
        for name, value in client.items():
            lines.put(f"{flow(name)}: {flow(value)}", 4)
    if seen.is_unproven:
        lines.gap()
        lines.why(
            "The brokers refuse nothing to this login: they have no authorizer, or it is a super user. So no "
            "role starts until you accept that nothing proves the trial's rights; each verdict will show it.",
        )
        lines.propose("isolation: {unproven: accept}")
    _put_schemas(lines, seen, given)


def _put_schemas(lines: Lines, seen: Seen, given: Answers) -> None:
    topics = (*seen.inputs, *seen.outputs)
    named = {one.topic: one for one in topics if one.format.header or one.is_plain}
    if not given.schemas and not named:
        if any("schema" in kind for one in topics for kind in one.formats):
            lines.gap()
            lines.why(
                "Values name a schema by its id, and no source of schemas was given: repeat `shadowstream init` "
                "with --registry URL or --schemas FOLDER, or set one here. Until then they cannot be decoded.",
            )
            lines.propose('schemas: {registry: "http://localhost:8081"}')
        return
    lines.gap()
    lines.why("Where the schemas are that values name by their ids, and how values without such an id are written.")
    lines.put("schemas:")
    for name, value in given.schemas.items():
        lines.put(f"{name}: {flow(value)}", 2)
    if named:
        lines.put("formats:", 2)
    for topic, one in named.items():
        lines.why(_of_format(one), 4)
        settings = {"header": True} if one.format.header else {"format": one.format.format}
        lines.put(f"{flow(topic)}: {flow(settings)}", 4)


def _of_format(one: Sampled) -> str:
    if one.format.header:
        return "Each record names its schema in the header __value_schema_id."
    if one.format.format == "text":
        return "Plain text: neither JSON nor framed by a schema id. Whole texts are compared."
    return (
        "Bytes: neither JSON, nor UTF-8 text, nor framed by a schema id. Whole values are compared. If they are Avro "
        "or Protobuf of one schema, give format and schema_ids instead."
    )


def _put_topics(lines: Lines, seen: Seen, given: Answers) -> None:
    lines.gap()
    lines.why("Topics that production reads. The candidate reads the same, in a group of its own.")
    lines.put("inputs:")
    for one in seen.inputs:
        _put_topic(lines, one, 2)
    lines.gap()
    lines.why("Production: the topics that it writes, which are only read here, and its consumer group.")
    lines.put("production:")
    lines.put("outputs:", 2)
    for one in seen.outputs:
        _put_topic(lines, one, 4)
    _put_group(lines, seen, given)


def _put_topic(lines: Lines, one: Sampled, indent: int) -> None:
    for text in topic_sentences(one):
        lines.why(text, indent)
    lines.put(f"- {flow(one.topic)}", indent)


def topic_sentences(one: Sampled) -> list[str]:
    """Return what the sample of a topic shows, and what it could not show."""
    if one.problem is not None:
        return [f"Not sampled, so nothing below rests on it: {one.problem}."]
    count = f"{one.partitions} partition{'s' * (one.partitions != 1)}"
    if not len(one):
        return [f"{count}, and no record yet: nothing below rests on it. Repeat `shadowstream init` once it has some."]
    kinds = "; ".join(f"{kind} in {of_all(n, len(one), 'records')}" for kind, n in _largest(one.formats))
    sentences = [f"{count}. Values: {kinds}. Keys: {_keys(one)}."]
    failed = sum(one.reasons.values())
    if failed:
        reasons = "; ".join(reason for reason, _ in _largest(one.reasons))
        sentences.append(f"Cannot be decoded: {of_all(failed, len(one), 'records')} ({reasons}).")
    if one.limits:
        sentences.append(f"The sample ended at a limit: {', '.join(one.limits)}.")
    if one.has_more_fields:
        sentences.append(f"Only the first {len(one.fields)} fields were looked at.")
    return sentences


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:KINDS_SHOWN]


def _keys(one: Sampled) -> str:
    keys = [key for key in one.keys if key is not None]
    if not keys:
        return "none"
    framed = sum(key[:1] == b"\0" and len(key) > 5 for key in keys)
    texts = sum(key.isascii() and key.decode().isprintable() for key in keys)
    kind = "framed by a schema id" if framed == len(keys) else "texts" if texts == len(keys) else "bytes"
    distinct = f"{len(set(keys)):,} distinct"
    return f"{kind}, {distinct}, in {of_all(len(keys), len(one), 'records')}"


def _put_group(lines: Lines, seen: Seen, given: Answers) -> None:
    groups = sorted(seen.groups, key=lambda one: (-one.topics, one.name))
    shown = "; ".join(f"{quoted(one.name)} ({one.waiting:,} records wait for it)" for one in groups[:GROUPS_SHOWN])
    if given.group is not None:
        only = [one.name for one in groups] == [given.group]
        why = "The only group with commits on the inputs." if only else f"Groups with commits on the inputs: {shown}."
        lines.why(f"{why} Its offsets are read; it is never joined and never committed to.", 2)
        lines.put(f"group: {flow(given.group)}", 2)
        lines.why(
            "after_output: production commits an input only after its outputs are flushed. That makes extra "
            "outputs of the candidate exact at once; otherwise the trial waits some event time for a partner.",
            2,
        )
        (lines.put if given.commits_after_output else lines.propose)("commits: after_output", 2)
        return
    if seen.groups_problem is not None:
        lines.why(f"Production's consumer group was not found: {seen.groups_problem}.", 2)
    elif groups:
        lines.why(
            f"{len(groups)} groups have commits on the inputs, and it cannot be seen which is production's: {shown}.", 2
        )
    else:
        lines.why("No consumer group has commits on the inputs. If production has one, name it.", 2)
    lines.why("Without it the trial still works; an output that only the candidate wrote is then known later.", 2)
    lines.propose(f"group: {flow(groups[0].name if groups else 'production-group')}", 2)


def _put_candidate(lines: Lines, seen: Seen, found: Findings, given: Answers) -> None:
    lines.gap()
    if "call" in given.candidate:
        lines.why(
            "The candidate: a function of one decoded value of the inputs. It runs in a process of its own, without"
        )
        lines.why("network and without the credentials of this file.")
    else:
        lines.why("The candidate: a server that gets each input as JSON by POST and answers with the output as JSON.")
        lines.why("It must have no effect on production. version names the model: change it with the model.")
    lines.put("candidate:")
    for name, value in given.candidate.items():
        lines.put(f"{name}: {flow(value)}", 2)
    if any(one.is_plain for one in seen.outputs):
        lines.why("Production's outputs have no structure, so the candidate must return bytes, written as they are.", 2)
        (lines.put if "call" in given.candidate else lines.propose)("output_format: bytes", 2)
    for topic, choice in found.partitioners.items():
        of = next(one for one in seen.outputs if one.topic == topic)
        if of.partitions == 1:
            lines.why(f"{topic} has one partition, so there is nothing to choose.", 2)
        elif choice is None:
            lines.why(f"How production chooses partitions of {topic}: no sampled key shows it.", 2)
        elif choice.kind == REPARTITION:
            lines.why(f"No known partitioner explains {topic}: both sides will be copied, by identity.", 2)
        else:
            proof = "" if choice.certain else ", too few to be certain"
            lines.why(
                f"{_KINDS[choice.kind]} explains all {choice.keys:,} keys of {topic} that were checked{proof}.", 2
            )
    lines.why("auto: the runner samples again at the start, and refuses to go on if production changes it.", 2)
    lines.put("partitioner: auto", 2)


_KINDS = {
    "input": "The input's partition",
    "murmur2": "The key's murmur2 hash (Java's clients)",
    "crc32": "The key's CRC32 (librdkafka's clients)",
}


def _put_identity(lines: Lines, seen: Seen, found: Findings) -> None:
    lines.gap()
    lines.why("How an output of production and one of the candidate are found to be a pair.")
    for text in identity_sentences(seen, found):
        lines.why(text)
    lines.put(f"identity: {flow(found.identity)}")


def identity_sentences(seen: Seen, found: Findings) -> list[str]:
    """Return why this identity was chosen, what it demands of the candidate, and which others fit too."""
    if not any(len(one) for one in seen.outputs):
        return ["No output was sampled, so this is a guess: each key is taken for unique."]
    if not found.ways:
        return [
            "Nothing fits: most outputs have no key, or one that no input has, and no header or field is in both. By "
            "key, most records would stay without a partner. Let production copy an id of the input into a header or a "
            "field."
        ]
    best, *others = found.ways
    evidence = best.evidence
    sentences = [f"{evidence[0].upper()}{evidence[1:]}."]
    if best.kind == "occurrence":
        sentences.append(
            "Keys come again, so records of one key are paired in the order of their times; a unique id in a header or "
            "field would be better."
        )
    if best.outputs == "many":
        sentences.append("An input has several outputs, so all outputs of one input are compared together.")
    if best.path is not None:
        sentences.append(f"The candidate must write {quoted(best.path)} too.")
    if best.header is not None and best.kind == "id":
        sentences.append("The runner copies this header from the input to the candidate's outputs.")
    sentences += [f"Also fits: {flow(way.settings)}, since {way.evidence}." for way in others[:ALTERNATIVES_SHOWN]]
    return sentences


def _put_start(lines: Lines, seen: Seen, found: Findings, given: Answers) -> None:
    lines.gap()
    lines.why("Where the candidate begins. Event time is the timestamp of each record.")
    for topic, (path, near) in found.times.items():
        apart = f"is within {duration(near.within_ms)} of it" if near.within_ms else "is the same time"
        apart = apart if near.is_near else "is another time, which is not used"
        lines.why(f"In {topic}, the field {quoted(path)} {apart}.")
    still = f"{duration(seen.now_ms - (seen.newest_input_ms or 0))} old" if seen.is_still else ""
    if given.is_bounded:
        lines.why("earliest, bounded: all records that are there are judged, and the trial ends with them.")
        lines.put("start: earliest")
        lines.why(f"The newest input is {still}." if still else "The inputs may still grow; later ones are not judged.")
        lines.put("bounded: true")
        return
    if still:
        known = "" if given.group is not None else ", which need production's group above"
        lines.why(
            f"The newest input is {still}. If no more will come, judge those that are there: `start: earliest` and "
            f"`bounded: true`{known}."
        )
    if given.group is not None:
        waiting = {one.name: f" {one.waiting:,} inputs waited there." for one in seen.groups}.get(given.group, "")
        lines.why(f"production-group: where production's commits are, so both see the same inputs.{waiting}")
        lines.put("start: production-group")
    else:
        lines.why("latest: with the first input that comes after the start.")
        lines.put("start: latest")
    if seen.ahead_ms > MARGIN_MS:
        lines.why(
            f"The newest input is dated {duration(seen.ahead_ms)} ahead of this machine's clock. Mend the clocks of"
        )
        lines.why("its producers, or accept such times:")
        lines.propose(f"future_ms_max: {seen.ahead_ms + MARGIN_MS}")
