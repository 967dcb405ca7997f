"""Advice to begin a new trial, in a module of its own because roles without a judge give it too."""

NEW_TRIAL = (
    "begin a new trial: give it another `name`, or remove the topics and groups of this one (`shadowstream topics "
    "plan` lists them) and start it again"
)
"""Advice at the end of a reason about changed topics."""
