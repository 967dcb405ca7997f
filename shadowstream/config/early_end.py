"""Check of a trial that ends by itself (`until`)."""

from shadowstream.config.production import Production
from shadowstream.config.sides import Candidate, Labels, Twin


def check_early_end(
    bounded: bool, candidate: Candidate, twin: Twin | None, labels: Labels | None, production: Production
) -> None:
    """Raise `ValueError` if production's answers beyond the end could not be distinguished from missing ones."""
    obstacles = {
        "bounded: true, which ends where its inputs end": bounded,
        "candidate.topic: the inputs of an external candidate cannot be ended": candidate.topic is not None,
        "twin: its records beyond the end would count as noise": twin is not None,
        "labels: they come after the end": labels is not None,
    }
    if named := [text for text, is_set in obstacles.items() if is_set]:
        raise ValueError(f"until: does not go with {'; '.join(named)}")
    if not production.has_marks:
        raise ValueError("until: needs production.group; without it the end of production is unknown")
