"""The advice to begin a new trial, apart: roles that judge nothing give it too."""

NEW_TRIAL = (
    "begin a new trial: give it another `name`, or remove the topics and groups of this one (`shadowstream topics "
    "plan` lists them) and start it again"
)
"""What to do where topics have changed; it ends the reason that says so."""
