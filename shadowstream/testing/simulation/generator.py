"""Histories from seeds. Only such are made whose right outcome is determined by what happened, not by who was first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

from shadowstream.records import Side
from shadowstream.runner.partitioner import partition_for
from shadowstream.testing.simulation.failures import failing
from shadowstream.testing.simulation.history import (
    BEGIN_MS,
    FUTURE_MS,
    GRACE_MS,
    IDENTITIES,
    ROUNDS,
    TOLERANCE_MS,
    Action,
    Answer,
    History,
    Input,
    Setup,
)
from shadowstream.testing.simulation.losses import can_lose, losing
from shadowstream.testing.simulation.repeats import SPAN_OF_ALL, Repeats
from shadowstream.testing.simulation.second_answers import rechecking

FAILURES = ("error", "timeout", "crashed", "undecodable", "sampled_out", "filtered")
KINDS = ("near", "noisy", "differs", "lost", "added", "silent", "absent", "tombstones", "tombstone", "broken", "blind")
STEPS = ("arrive", "produce", "run", "twin", "read_production", "read_shadow", "read_twin")
TALK = ("commit_production", "commit_runner", "commit_twin", "poll", "observe", "commit")
UPSETS = ("crash", "torn", "unheard", "rebalance", "freeze", "crash_runner", "fetch", "wait")
THEMES = ("late", "many", "twin", "late", "warm", "replays", "late", "retention", "plain", "many", "twin", "late")
POISON_MS = 10**12
GAP_MS = 4 * TOLERANCE_MS


def history(seed: int) -> History:
    draw = Random(seed)
    setup = setup_of(seed, draw)
    inputs: Sequence[Input] = list(_declared(seed, _inputs(setup, draw)))
    actions = _actions(setup, draw)
    other, failed = failing(setup, inputs, Random(f"failures of {seed}"))
    if is_determined(History(other, tuple(failed), ())):
        setup, inputs = other, failed
    setup, inputs = rechecking(setup, inputs, Random(f"rechecks of {seed}"))
    if can_lose(setup):
        setup, inputs = losing(setup, inputs, Random(f"losses of {seed}"))
    return History(setup, tuple(inputs), tuple(actions))


def _declared(seed: int, inputs: Iterable[Input]) -> Iterator[Input]:
    """The inputs with some differences of the candidate made the change that is declared. Drawn by itself, so that
    nothing else about a seed depends on it."""
    draw = Random(f"declared {seed}")
    for one in inputs:
        by_production, by_candidate, twin = one.answers
        changed = [Answer("declared", a.k) if a.kind == "differs" and draw.random() < 0.5 else a for a in by_candidate]
        yield replace(one, answers=(by_production, tuple(changed), twin))


def setup_of(seed: int, draw: Random) -> Setup:
    """The setup of a seed, before anything is drawn for its inputs: what they may lose or fail in is not in it."""
    identity = IDENTITIES[seed % len(IDENTITIES)]
    theme = THEMES[seed // len(IDENTITIES) % len(THEMES)]
    setup = Setup(
        seed,
        identity,
        inputs=draw.randint(1, 3),
        outputs=draw.randint(1, 3),
        commits=draw.choice(("after_output", "after_output", "unknown", None)),
        adopted=draw.choice((None, None, None, "after_output", "unknown")),
        partitioner=draw.choice(("input", "input", "murmur2", "crc32")),
        bounded=draw.random() < 0.5,
        span=draw.randint(5, 20),
        idle=draw.random() < 0.3,
    )
    setup = _themed(setup, theme, draw)
    if Random(f"span of {seed}").random() < 0.25:
        setup = replace(setup, span=SPAN_OF_ALL)
    if not setup.twin and not setup.adopted and draw.random() < 0.2:
        setup = replace(setup, topics=2)
    if setup.commits is None or setup.adopted:
        setup = replace(setup, bounded=False)
    maximum, bound = Random(f"most of {seed}").choice((0, 0, 1, 3)), Random(f"bound of {seed}").choice((0, 0, 4, 12))
    # That a partition is idle others tell that go on; held sides are read to their ends when these may do no longer.
    return replace(setup, maximum=maximum, bound=0 if setup.idle else bound)


def _themed(setup: Setup, theme: str, draw: Random) -> Setup:
    """The features that do not go with one another; with occurrence not all of them go."""
    known = setup.commits or "unknown"
    if theme == "retention":
        return replace(setup, retention=True)
    if theme == "warm":
        return replace(setup, warm=draw.randint(4, 14), commits=known, adopted=None)
    if setup.identity == "occurrence":
        return setup
    if theme == "many":
        return replace(setup, many=True)
    if theme == "twin":
        return replace(setup, twin=True, replays=setup.commits is not None and draw.random() < 0.2)
    if theme == "replays":
        return replace(setup, replays=True, commits=known, adopted=None)
    if theme == "late":
        return replace(setup, late=True, commits=draw.choice(("unknown", None)), adopted=draw.choice((None, "unknown")))
    return setup


class Inputs:
    """The inputs of one history, one after the other in event time."""

    def __init__(self, setup: Setup, draw: Random) -> None:
        self.setup, self.draw = setup, draw
        self.made: list[Input] = []
        self.last_ms: dict[str, int] = {}
        self.jitter_ms = draw.choice((0, 0, TOLERANCE_MS // 2))
        self.disorder_ms = draw.choice((0, 0, 200))
        self.share = draw.choice((0.2, 0.5, 0.8))
        special = setup.many or setup.replays or setup.retention or setup.late or setup.warm
        self.reuse = setup.kind in ("key", "id") and not special
        self.poison = draw.random() < 0.15 and not setup.strict
        self.repeats = Repeats(setup)

    def make(self, time_ms: int) -> None:
        draw, setup = self.draw, self.setup
        one = Input(
            len(self.made),
            draw.randrange(setup.inputs),
            time_ms + draw.randint(-self.disorder_ms, self.disorder_ms),
            f"c{len(self.made)}",
            topic=draw.randrange(setup.topics),
            jitter_ms=draw.randint(-self.jitter_ms, self.jitter_ms),
        )
        if setup.identity == "occurrence" and draw.random() < 0.6:
            one = self._again(one)
        one = self._behaviour(one)
        if self.poison and draw.random() < 0.05:
            one = replace(one, time_ms=one.time_ms + POISON_MS, poison=True)
        self.made.append(one)

    def _again(self, one: Input) -> Input:
        """Another occurrence of a key, far enough from the last one and in its partition."""
        for earlier in self.made:
            if earlier.absence or one.time_ms - self.last_ms.get(earlier.key, one.time_ms) < GAP_MS:
                continue
            if not earlier.blind:
                return replace(one, key=earlier.key, partition=earlier.partition, topic=earlier.topic)
        return one

    def _behaviour(self, one: Input) -> Input:
        draw, setup = self.draw, self.setup
        kind = draw.choice(KINDS) if draw.random() < self.share else "same"
        repeated = one.key in self.last_ms
        self.last_ms[one.key] = one.time_ms
        if kind == "absent" and (repeated or setup.adopted):
            kind = "lost"
        n = draw.randint(1, 3) if setup.many or (setup.kind == "coordinate" and draw.random() < 0.2) else 1
        production = tuple(Answer("plain", k) for k in range(n))
        one = self.repeats.several(self._answers(one, kind, production), kind)
        if setup.twin:
            others = [(Answer(other),) for other in ("differs", "broken", "plain")]
            one = replace(one, answers=(*one.answers[:2], draw.choice((production, production, (), *others))))
        if setup.late and draw.random() < 0.4:
            return self._delays(one)
        return one if one.absence else self.repeats.stamp(self._copies(one))

    def _delays(self, one: Input) -> Input:
        """Outputs that are written long after their input has been committed."""
        late = self.draw.choice((2, 5, 12)), self.draw.choice((2, 5, 12))
        by_production = late[0] if self.setup.commits != "after_output" else 0
        return replace(one, delays=(by_production, late[1] if self.setup.adopted == "unknown" else 0, 0))

    def _answers(self, one: Input, kind: str, production: tuple[Answer, ...]) -> Input:
        draw, rest = self.draw, production[1:]
        by_production, by_candidate = production, production
        if kind in ("near", "noisy", "differs"):
            by_candidate = (Answer(kind), *rest)
        elif kind == "lost":
            by_candidate = ()
        elif kind == "added":
            by_production = ()
        elif kind == "silent":
            by_production = by_candidate = ()
        elif kind == "absent":
            # Where production is silent as well nobody misses anything.
            absence = draw.choice(FAILURES)
            return replace(one, absence=absence, answers=(production if draw.random() < 0.8 else (), (), ()))
        elif kind in ("tombstones", "tombstone"):
            gone = (Answer("tombstone"), *rest)
            by_production = by_candidate = gone
            if kind == "tombstone":
                by_production, by_candidate = draw.choice(((gone, production), (production, gone)))
        elif kind == "broken":
            broken = (Answer("broken"), *rest)
            by_production, by_candidate = draw.choice(((broken, production), (production, broken)))
        elif kind == "blind":
            one = self._blind(one)
        if self.setup.many or self.setup.kind == "coordinate":
            if draw.random() >= 0.8:
                by_candidate = by_candidate[:1] if len(by_candidate) > 1 else (*by_candidate, Answer("plain", 1))
            by_candidate = by_candidate if kind not in ("lost", "silent") else ()
        elif kind == "same" and self.setup.kind in ("key", "id") and draw.random() < 0.1:
            by_candidate = (*by_candidate, Answer("plain", 1))
        return replace(one, answers=(by_production, by_candidate, ()))

    def _blind(self, one: Input) -> Input:
        """Outputs without identity: a null key, no header, no field."""
        setup, sides = self.setup, [Side.PRODUCTION]
        if setup.kind != "coordinate" or setup.adopted:
            sides = self.draw.choice(([Side.PRODUCTION], [Side.SHADOW], [Side.PRODUCTION, Side.SHADOW]))
        if setup.twin and self.draw.random() < 0.5:
            sides = [*sides, Side.TWIN]
        return replace(one, blind=tuple(sides))

    def _copies(self, one: Input) -> Input:
        """Some outputs come twice, if the config can tell."""
        setup, draw = self.setup, self.draw
        copies = [-1, -1, -1]
        is_named = not setup.many or setup.kind == "coordinate"
        if not (setup.retention or setup.warm) and draw.random() < 0.15:
            side = draw.choice(setup.sides)
            by_runner = side is Side.SHADOW and not setup.adopted
            if by_runner or (is_named and setup.identity != "occurrence"):
                copies[side] = draw.randint(0, 3)
        return replace(one, copies=(copies[0], copies[1], copies[2]))

    def reuse_keys(self) -> None:
        """Let some keys come again, all within the dedupe span or all beyond, where both sides have them both times."""
        if not self.reuse:
            return
        setup = self.setup
        plain = [o for o in self.made if all(len(a) == 1 for a in o.answers[: len(setup.sides)]) and self._simple(o)]
        for later in plain:
            for earlier in plain:
                if self._comes_again(earlier, later) and self.draw.random() < 0.5:
                    again = setup.span == SPAN_OF_ALL
                    self.made[later.number] = replace(self.made[later.number], key=earlier.key, again=again)
                    if not again:
                        return

    def _simple(self, one: Input) -> bool:
        kinds = {answer.kind for answers in one.answers for answer in answers}
        odd = one.blind or one.poison or max(one.delays) or max(one.copies) >= 0 or one.absence
        return not odd and kinds <= {"plain", "near", "differs"}

    def _comes_again(self, earlier: Input, later: Input) -> bool:
        if earlier.number >= later.number:
            return False
        if self.setup.span == SPAN_OF_ALL:
            free = not self.made[earlier.number].again and not self.made[later.number].again
            return free and (earlier.partition, earlier.topic) == (later.partition, later.topic)
        return far_apart(self.setup, self.made, earlier, later)


def far_apart(setup: Setup, inputs: Sequence[Input], earlier: Input, later: Input) -> bool:
    """Whether more than the dedupe span lies between the outputs of two inputs in every log, whatever happens."""
    if (earlier.partition, earlier.topic) != (later.partition, later.topic):
        return False
    if setup.outputs > 1 and setup.partitioner != "input":
        return False
    between = [one for one in inputs if earlier.number < one.number < later.number]
    between = [one for one in between if (one.partition, one.topic) == (later.partition, later.topic)]
    return all(sum(bool(one.answers[side]) for one in between) > setup.span for side in setup.sides)


def is_determined(one: History) -> bool:
    """Whether keys that come again still lie far apart, or after their first, once the shrinker has left out inputs."""
    if one.setup.kind not in ("key", "id"):
        return True
    first: dict[str, Input] = {}
    return all(
        not later.again
        if first.setdefault(later.key, later) is later
        else later.again or far_apart(one.setup, one.inputs, first[later.key], later)
        for later in one.inputs
    )


def _inputs(setup: Setup, draw: Random) -> list[Input]:
    inputs = Inputs(setup, draw)
    time_ms, step_ms = BEGIN_MS, draw.choice((200, 500)) if setup.late else draw.choice((50, 200, 500))
    for _ in range(draw.choice((10, 20, 30, 45))):
        time_ms += draw.randint(1, 2 * step_ms)
        inputs.make(time_ms)
    inputs.reuse_keys()
    if setup.identity == "occurrence" and draw.random() < 0.2:
        _close_together(inputs)
    made = inputs.made
    return [*made, *_sentinels(setup, made)] if not setup.bounded else made


def _close_together(inputs: Inputs) -> None:
    """Two occurrences of one key nearer than the tolerance, both on both sides: paired in order, and said ambiguous."""
    n = len(inputs.made)
    answers = ((Answer("plain"),), (Answer("plain"),), ())
    first = Input(n, 0, inputs.made[-1].time_ms + GAP_MS, f"c{n}", answers, ambiguous=True)
    inputs.made += [first, replace(first, number=n + 1, time_ms=first.time_ms + TOLERANCE_MS // 3)]


def _sentinels(setup: Setup, made: list[Input]) -> list[Input]:
    """At the end, inputs far apart in time that both sides answer, one for each partition that anything went to. Where
    `idle` is set the first partition has none: it is closed by the time of the others, or it would wait for ever."""
    last_ms = max((one.time_ms for one in made if not one.poison), default=BEGIN_MS)
    sentinels: list[Input] = []
    used = range(min(setup.inputs, setup.outputs)) if setup.partitioner == "input" else range(setup.outputs)
    skipped = 1 if setup.idle and len(used) > 1 else 0
    for round_ in range(1, ROUNDS + 1):
        for topic in range(setup.topics):
            for partition in list(used)[skipped:]:
                number = len(made) + len(sentinels)
                time_ms = last_ms + round_ * 3 * (GRACE_MS + FUTURE_MS + TOLERANCE_MS)
                key = _key_of(setup, partition, number)
                answers = tuple((Answer("plain"),) if side in setup.sides else () for side in Side)
                at = partition if setup.partitioner == "input" else number % setup.inputs
                sentinels.append(Input(number, at, time_ms, key, answers, topic=topic, round=round_))
    return sentinels


def _key_of(setup: Setup, partition: int, number: int) -> str:
    """A key that goes to this output partition."""
    keys = (f"e{number}-{n}" for n in range(1_000))
    if setup.partitioner == "input":
        return next(keys)
    return next(key for key in keys if partition_for(setup.partitioner, key.encode(), 0, setup.outputs) == partition)


def _actions(setup: Setup, draw: Random) -> list[Action]:
    names = [*STEPS * 4, *TALK * 2, *("live", "turn") * draw.choice((0, 2, 20 if setup.late else 5))]
    # A side that lags: what it does is drawn seldom. Where time decides, production is the one to be missed.
    by_time = setup.commits != "after_output" and not setup.strict
    late = by_time and draw.random() < 0.7
    slow = draw.choice(("produce", "read_production") if late else ("", *STEPS[1:3], *STEPS[4:6], *TALK[:2]))
    names = [name for name in names if name != slow or draw.random() < 0.2]
    if not setup.twin:
        names = [name for name in names if "twin" not in name]
    upsets = list(UPSETS)
    if not (setup.strict or setup.many or setup.late):
        upsets.append("crash_production")
    if setup.replays:
        upsets.append("replay")
    if setup.retention:
        names += ["retention"] * 5
    names += draw.sample(upsets, draw.randint(1, len(upsets))) * draw.choice((1, 1, 3))
    if not (setup.adopted or setup.warm) and draw.random() < 0.25:
        names.append("revision")
    count = draw.choice((30, 60, 120))
    return [Action(draw.choice(names), draw.randint(0, 7), draw.randint(1, 8)) for _ in range(count)]
