"""Check of the parts beside the values that a trial compares: keys, headers and their order (`compare.key`, ...)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from shadowstream.config.comparing import Compare
from shadowstream.config.deciding import Judge
from shadowstream.config.limits import Limits
from shadowstream.config.sides import Candidate, Identity, Labels
from shadowstream.paths import HEADERS_PART, KEY_PART, ORDER_PART, parse_path
from shadowstream.records import OWN_HEADERS


def carried_headers(identity: Identity, compare: Compare) -> list[str]:
    """Return the headers of inputs that the runner copies to the candidate's outputs."""
    ids = [identity.header] if identity.kind == "id" and identity.header else []
    sliced = [dimension.header for dimension in compare.dimensions if dimension.header]
    return list(dict.fromkeys([*ids, *sliced]))


def check_record_parts(
    compare: Compare,
    judge: Judge,
    identity: Identity,
    candidate: Candidate,
    labels: Labels | None,
    limits: Limits,
) -> None:
    """Raise `ValueError` for parts that could not be compared, or for a path into a part that nothing would read."""
    if compare.key:
        _check_key(identity, candidate)
    if compare.order:
        _check_order(identity, limits)
    _check_headers(compare, identity, candidate)
    if not compare.part_paths:
        return
    names = frozenset(compare.headers)
    for where, path in _compared_paths(compare, judge):
        first, second = [*parse_path(path), None, None][:2]
        if first == HEADERS_PART and second is not None and second not in names:
            raise ValueError(
                f"{where}: {path} leads to a header that is not compared; name it in compare.headers, which are: "
                f"{', '.join(compare.headers) or 'none'}"
            )
    for where, path in _paths_of_values(compare, judge, labels):
        if parse_path(path)[:1] in ([KEY_PART], [HEADERS_PART], [ORDER_PART]):
            raise ValueError(
                f"{where}: {path} is a part beside the value, which only compare.rules, compare.expected, "
                "compare.redact and criteria with rate: field read; name a field of the value"
            )


def _check_key(identity: Identity, candidate: Candidate) -> None:
    if identity.kind in ("key", "occurrence"):
        raise ValueError(
            f"compare.key: with identity.kind: {identity.kind} records pair by their key, so it is equal in every "
            "pair; remove it, or pair by coordinate or id"
        )
    if candidate.partitioner in ("murmur2", "crc32"):
        raise ValueError(
            f"compare.key: with candidate.partitioner: {candidate.partitioner} the key chooses the partition, so "
            "records with two keys would lie in two partitions and never pair; write auto, which copies both sides "
            "by identity where that is needed, or input"
        )


def _check_order(identity: Identity, limits: Limits) -> None:
    if identity.kind in ("key", "occurrence") or identity.outputs == "many":
        raise ValueError(
            "compare.order: needs identity.kind: coordinate or id, and identity.outputs: one; where records pair by "
            "their key and time, or as a multiset, they have no order of their own. Remove one of them"
        )
    if not identity.dedupe_span:
        raise ValueError(
            "compare.order: identity.dedupe_span is 0, and the order is looked at within that span; remove one of them"
        )
    if limits.overflow == "shed":
        raise ValueError(
            "compare.order: limits.overflow: shed ends records without a comparison, so that the order of the others "
            "is unknown; use hold or spill"
        )


def _check_headers(compare: Compare, identity: Identity, candidate: Candidate) -> None:
    carried = carried_headers(identity, compare)
    for name in compare.headers:
        if name in OWN_HEADERS:
            raise ValueError(
                f"compare.headers: shadowstream itself writes the header {name!r} into the records of a trial, so it "
                "cannot be compared; remove it"
            )
        if candidate.kind in ("pickle", "http") and name not in carried:
            raise ValueError(
                f"compare.headers: {name} can be no header of the candidate's outputs: a pickled model or a model "
                "server returns values only, and the runner copies headers of inputs only where identity.header or "
                "compare.dimensions names them. Remove it, or give a candidate that writes headers: call, with "
                "Output(..., headers=...), or topic"
            )


def _compared_paths(compare: Compare, judge: Judge) -> Iterable[tuple[str, str]]:
    """Yield the paths that may lead into parts, each with the section that names it."""
    return chain(
        (("compare.rules", one.path) for one in compare.rules),
        (("compare.expected", path) for one in compare.expected for path in one.paths),
        (("compare.redact", path) for path in (compare.redact.paths if compare.redact else ())),
        (("judge.criteria", one.path) for one in judge.criteria if one.rate == "field" and one.path),
    )


def _paths_of_values(compare: Compare, judge: Judge, labels: Labels | None) -> Iterable[tuple[str, str]]:
    """Yield the paths that lead to fields of values only, each with the section that names it."""
    return chain(
        (("compare.dimensions", one.path) for one in compare.dimensions if one.path),
        (("compare.checks", one.path) for one in compare.checks),
        (("compare.distributions", one.path) for one in compare.distributions),
        (("judge.criteria", one.path) for one in judge.criteria if one.rate != "field" and one.path),
        (("labels.path", labels.path),) if labels else (),
    )
