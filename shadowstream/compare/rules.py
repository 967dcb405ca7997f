"""Selection of the rule for each path.

The syntax of paths is in `shadowstream.paths`. A value that is neither an object nor a list is its own only part, so
both ``*`` and ``$`` select it.

A rule holds at its path and at every path below it. **The most specific rule wins**: first the longer path
(``user.age`` before ``user``). Between paths of equal length, the first name that differs decides: a name wins over
a star (``a.*`` before ``*.b`` at ``a.b``).

So with ``user`` ignored and a tolerance for ``user.age``, every difference in ``user`` is ignored except that of the
age. The options for lists (`lists`, `key`), `call` and normalisers of a rule hold only at its own path.

A difference of a whole object (missing, null, of another type) belongs to the object's own path: a rule for
``user.name`` does not apply to a missing ``user``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any, Literal, NamedTuple

from shadowstream.compare.hooks import Hook, Load, fenced, load, normaliser
from shadowstream.compare.watched_paths import NONE_WATCHED, Watched
from shadowstream.config import Rule
from shadowstream.errors import ConfigError
from shadowstream.paths import parse_one, parse_path


class Own(NamedTuple):
    """The options of a rule that hold only at its own path, with loaded functions."""

    rule: Rule
    normalise: Hook | None
    call: Hook | None
    key: list[str] | None


def _own(rule: Rule, loads: Load) -> Own | None:
    """Load the functions of a rule; raise `ConfigError` for a function that cannot be loaded."""
    if not (rule.lists or rule.key or rule.call or rule.normalise):
        return None
    call = fenced(rule.call, loads(rule.call, "compare.rules", 2)) if rule.call else None
    key = parse_one(rule.key) if rule.key else None
    return Own(rule, normaliser(rule.normalise, loads), call, key)


class _Node:
    """A node in the tree of rule paths."""

    __slots__ = ("named", "own", "rule", "star")

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.star: _Node | None = None
        self.rule: Rule | None = None
        self.own: Own | None = None


class Spot:
    """The current position of a walk among the rules. Steps are cached, so each name costs one lookup."""

    __slots__ = ("_nodes", "_steps", "_unnamed", "open", "own", "rule")

    def __init__(self, nodes: Sequence[_Node], rule: Rule | None) -> None:
        # Sorted by specificity: an earlier node has a name where later nodes have a star.
        self._nodes = nodes
        here = next((node for node in nodes if node.rule is not None), None)
        holding = here.rule if here else rule
        self.rule: Rule | None = None if holding is not None and holding.exact else holding
        """The rule that holds here; None if values must be equal."""
        self.own: Own | None = here.own if here else None
        """The options of the rule at exactly this path."""
        self.open = any(node.named or node.star for node in nodes)
        """Whether another rule may hold further down."""
        self._steps: dict[str, Spot | None] = {name: None for node in nodes for name in node.named}
        self._unnamed: Spot | None = None

    def step(self, name: str) -> Spot:
        """The spot of a field, or of an index (as text), below this one."""
        if not self.open and self.own is None:
            return self
        if name not in self._steps:
            # `own` ends here, also if no other rule holds further down. All names without a rule share one spot:
            # otherwise a map of a million keys would create a million spots.
            if self._unnamed is None:
                self._unnamed = Spot([node.star for node in self._nodes if node.star], self.rule)
            return self._unnamed
        spot = self._steps[name]
        if spot is None:
            below = [child for node in self._nodes for child in (node.named.get(name), node.star) if child]
            spot = self._steps[name] = Spot(below, self.rule)
        return spot

    @property
    def unnamed(self) -> Spot | None:
        """The spot of every part below; None if a rule names one of them."""
        return None if self._steps else self.step("")


class RuleSet:
    """The rules of one trial, and the treatment of fields that only the candidate has (`compare.added_fields`).

    Raises `ConfigError` for two rules with the same path, and for a function that cannot be loaded.

    >>> rules = RuleSet([Rule(path="user", ignore=True), Rule(path="user.*.cm", atol=0.5)])
    >>> user = rules.root.step("user")
    >>> user.step("name").rule, user.step("height").step("cm").rule, rules.root.step("users").rule
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
        """The start of a walk over a whole value."""
        self.bare = self.root.step("*") if root.star is not None else self.root
        """The start in a value that is neither an object nor a list: its only part is itself."""
        self.of_numbers = any(rule.of_numbers for rule in rules)
        """Whether a tolerance of numbers holds at any path."""
        self.decimals = False
        """Whether floats are fractions of JSON, and so decimals."""
        self.programs: dict[Any, Any] = {}
        """Programs of the native kernel under these rules (`lockstep`)."""
        self.named: tuple[tuple[str, ...], ...] = ()
        """Paths of production's values that the native kernel names beside the comparison (`lockstep.coded`)."""
        self.watched = NONE_WATCHED
        """Paths that are looked for in each mismatch (`PairResult.touched`)."""

    def watch(self, paths: Iterable[str]) -> None:
        """Look for these paths in each mismatch. Raises `ConfigError` for a path that cannot be parsed."""
        self.watched = Watched({path: parse_path(path) for path in paths})

    def of_json(self) -> RuleSet:
        same = copy(self)
        same.decimals = True
        return same
