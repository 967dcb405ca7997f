"""Beginnings of reasons that the gate gives beside the judge's, by which an explanation knows them."""

AGED = "the newest judged data are of "
"""Beginning of the reason of a promote that rests on old data only."""
UNPROVEN = "the verdict is not proven to be "
"""Beginning of the reason of a verdict that has not the signature which the trial asks for."""
