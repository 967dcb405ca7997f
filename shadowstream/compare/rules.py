"""Which rule holds at which path.

How a path is written: `shadowstream.paths`. A value that is neither an object nor a list is its own only part, so
``*`` reaches it as ``$`` does.

A rule holds at its path and at every path below it. Of several that hold **the most specific wins**: first the
longer one (``user.age`` before ``user``), then, of equally long ones, the one that names where the other has a star,
at the first place where they differ (``a.*`` before ``*.b`` at ``a.b``).

So with ``user`` ignored and a tolerance for ``user.age``, every difference in ``user`` is ignored but that of the age.
What a rule says of lists (`lists`, `key`), its `call` and its normalisers hold at its own path alone.

A difference of a whole object (it is missing, null, of another type) stands at the object's own path: a rule for
``user.name`` says nothing about a missing ``user``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Literal, NamedTuple

from shadowstream.compare.hooks import Hook, Load, fenced, load, normaliser
from shadowstream.compare.watched_paths import NONE_WATCHED, Watched
from shadowstream.config import Rule
from shadowstream.errors import ConfigError
from shadowstream.paths import parse_one, parse_path


class Own(NamedTuple):
    """What a rule says of its own path alone, its functions loaded."""

    rule: Rule
    normalise: Hook | None
    call: Hook | None
    key: list[str] | None


def _own(rule: Rule, loads: Load) -> Own | None:
    """Raises `ConfigError` for a function that cannot be loaded."""
    if not (rule.lists or rule.key or rule.call or rule.normalise):
        return None
    call = fenced(rule.call, loads(rule.call, "compare.rules", 2)) if rule.call else None
    key = parse_one(rule.key) if rule.key else None
    return Own(rule, normaliser(rule.normalise, loads), call, key)


class _Node:
    """A place in the tree of rule paths."""

    __slots__ = ("named", "own", "rule", "star")

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.star: _Node | None = None
        self.rule: Rule | None = None
        self.own: Own | None = None


class Spot:
    """Where a walk over a value stands among the rules. Steps are cached, so a walk costs a lookup a name."""

    __slots__ = ("_nodes", "_other", "_steps", "open", "own", "rule")

    def __init__(self, nodes: Sequence[_Node], rule: Rule | None) -> None:
        # Sorted: the node that comes first has a name where the others have a star.
        self._nodes = nodes
        here = next((node for node in nodes if node.rule is not None), None)
        found = here.rule if here else rule
        self.rule: Rule | None = None if found is not None and found.exact else found
        """The rule that holds here; None where values must be equal."""
        self.own: Own | None = here.own if here else None
        """What the rule of this very path says beside that."""
        self.open = any(node.named or node.star for node in nodes)
        """Whether another rule may hold further down."""
        self._steps: dict[str, Spot | None] = {name: None for node in nodes for name in node.named}
        self._other: Spot | None = None

    def step(self, name: str) -> Spot:
        """The spot of a field or an index (as text) below."""
        if not self.open and self.own is None:
            return self
        if name not in self._steps:
            # What this rule says of its own path alone ends here, also where no other rule holds further down.
            # All names that no rule says share one spot, so that a map of a million keys makes none of its own.
            if self._other is None:
                self._other = Spot([node.star for node in self._nodes if node.star], self.rule)
            return self._other
        spot = self._steps[name]
        if spot is None:
            below = [found for node in self._nodes for found in (node.named.get(name), node.star) if found]
            spot = self._steps[name] = Spot(below, self.rule)
        return spot


class RuleSet:
    """The rules of one trial, and what a field is that only the candidate has (`compare.added_fields`).

    Raises `ConfigError` where two rules have one path, and for a function that cannot be loaded.

    >>> rules = RuleSet([Rule(path="user", ignore=True), Rule(path="user.*.cm", atol=0.5)])
    >>> rules.for_path("user.name"), rules.for_path("user.height.cm"), rules.for_path("users")
    (Rule(path='user', ..., ignore=True, ...), Rule(path='user.*.cm', ..., atol=Decimal('0.5'), ...), None)
    """

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        added_fields: Literal["mismatch", "ignore", "expected"] = "mismatch",
        loads: Load = load,
    ) -> None:
        self.ignores_added = added_fields == "ignore"
        self.expects_added = added_fields == "expected"
        root = _Node()
        for rule in rules:
            node = root
            for name in parse_path(rule.path):
                if name is None:
                    node.star = node.star or _Node()
                    node = node.star
                else:
                    node = node.named.setdefault(name, _Node())
            if node.rule is not None:
                raise ConfigError(f"compare.rules: two rules for path {rule.path!r}; give one")
            node.rule, node.own = rule, _own(rule, loads)
        self.root = Spot([root], None)
        """Where a walk over a whole value begins."""
        self.bare = self.root.step("*") if root.star is not None else self.root
        """Where it begins in a value that is neither an object nor a list: its only part is itself."""
        self.of_numbers = any(rule.of_numbers for rule in rules)
        """Whether a tolerance of numbers holds anywhere."""
        self.decimals = False
        """Whether floats are fractions of JSON, and so decimals."""
        self.watched = NONE_WATCHED
        """Paths that each mismatch is asked for (`PairResult.touched`)."""

    def watch(self, paths: Iterable[str]) -> None:
        """Ask each mismatch whether it touches these paths. Raises `ConfigError` for a path that cannot be read."""
        self.watched = Watched({path: parse_path(path) for path in paths})

    def of_json(self) -> RuleSet:
        """The same rules where the values of both sides are texts of JSON."""
        same = copy(self)
        same.decimals = True
        return same

    def for_path(self, path: str) -> Rule | None:
        """The rule that holds at `path`, None where values must be equal."""
        spot = self.root
        for name in parse_path(path):
            spot = spot.step("*" if name is None else name)
        return spot.rule
