"""From where on a criterion is shown good beyond doubt, so that its last windows need not show it once more."""

BEYOND_DOUBT = 4.0
"""ln E this far beyond what promotes: of candidates at the limit at most one in 55 of those that may be promoted at all
comes so far. From there on the last windows need not show it once more; it is enough that they do not speak against it.
Else a rate that moves under its limit, by a season, would take back each morning what the night has promoted."""
