"""Texts of a comparison's result, the same wherever they are shown."""

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.protocol.outcomes import Outcome
from shadowstream.topic_pairs.pairing import Fate
from shadowstream.topic_pairs.tally import Answer, Tally

FATES = {
    Fate.UNMATCHED: "without a partner",
    Fate.REPEATED: "more of an id than the other topic has",
    Fate.SUPERSEDED: "followed by a later record of its id",
    Fate.BEFORE: "with a partner before the range",
    Fate.DELETED: "deleted by a tombstone",
}
ANSWERS = {Answer.EQUAL: "equal", Answer.DIFFER: "differ", Answer.UNKNOWN: "could not tell"}


def outcome_word(outcome: str) -> str:
    """Return the words for the outcome of a pair; any other text as it is."""
    words: dict[str, str] = {
        Outcome.MATCH: "equal",
        Outcome.TOLERATED: "within tolerance",
        Outcome.IGNORED: "equal but for ignored fields",
        Outcome.MISMATCH: "different",
        Outcome.UNDECODABLE_PRODUCTION: "undecodable in A",
        Outcome.UNDECODABLE_SHADOW: "undecodable in B",
    }
    return words.get(outcome, outcome)


def example_word(what: str) -> str:
    """Return the words for an example's pair or single record.

    >>> example_word("unmatched in scores"), example_word("mismatch")
    ('only in scores', 'different')
    """
    fate, _, topic = what.partition(" in ")
    if not topic:
        return outcome_word(what)
    return f"only in {topic}" if fate == Fate.UNMATCHED else f"one more of its id in {topic}"


def hidden_sentence(tally: Tally) -> str:
    """Return the ids that later records hide, and how to compare them; empty if there are none."""
    if not tally.hidden:
        return ""
    return (
        f"{tally.hidden:,} ids changed again within --margin after --to, so their records of the range were not "
        "compared; --margin 0 compares the last records before --to"
    )


def answer_sentence(tally: Tally) -> str:
    """Return the answer with the counts that it rests on."""
    pairs = tally.outcomes.total()
    if tally.answer == Answer.EQUAL:
        return f"equal: all {pairs:,} pairs, and no record is left over"
    if tally.answer == Answer.DIFFER:
        different = tally.outcomes[Outcome.MISMATCH]
        share = f" ({percent(different / pairs)})" if pairs else ""
        only = f"{tally.sides[0].unequal:,} records only in A, {tally.sides[1].unequal:,} only in B"
        text = f"the topics differ: {different:,} of {pairs:,} pairs{share}, {only}"
        waiting = sum(side.waiting for side in tally.sides)
        left = tally.not_compared - waiting
        text += f"; a further {left:,} could not be compared" if left else ""
        return f"{text}; {waiting:,} still wait for a partner" if waiting else text
    if not pairs:
        return "could not tell: no record was compared. Check the topics' names, --from and --to, and --id"
    waiting = sum(side.waiting for side in tally.sides)
    if waiting == tally.not_compared:
        return (
            f"could not tell: {waiting:,} records still wait for a partner, and all others are equal. With --to, "
            "--follow ends by itself once the last partner should have come"
        )
    return f"could not tell: {tally.not_compared:,} pairs or records could not be compared, and all others are equal"
