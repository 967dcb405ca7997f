"""Consumer groups with commits on the inputs, one of which may be production's. Groups are only asked, never joined."""

import time

from confluent_kafka.admin import AdminClient

from shadowstream.errors import BrokerError
from shadowstream.first_config.findings import Group
from shadowstream.kafka.client import offsets
from shadowstream.kafka.doctor.granted import visible_groups

GROUPS_MAX = 500
LIMIT_S = 20.0
OF_TRIALS = "shadow."


def groups_on(client: AdminClient, counts: dict[str, int]) -> tuple[list[Group], str | None]:
    """Return the groups that have committed offsets of these topics, and why there may be more; None if not.

    Those with commits on all topics, if there are any, else those with commits on some.
    """
    try:
        names = [name for name in visible_groups(client) if not name.startswith(OF_TRIALS)]
        places = offsets.places(counts)
        ends = offsets.ends(client, places)
    except BrokerError as error:
        return [], str(error)
    found, unseen, deadline = [], 0, time.monotonic() + LIMIT_S
    for n, name in enumerate(names):
        if n >= GROUPS_MAX or time.monotonic() > deadline:
            unseen += len(names) - n
            break
        try:
            committed = offsets.committed(client, name, places)
        except BrokerError:
            unseen += 1
            continue
        if committed:
            waiting = sum(max(0, ends[place] - offset) for place, offset in committed.items())
            found.append(Group(name, len({place.topic for place in committed}), waiting))
    covered = max((one.topics for one in found), default=0)
    problem = f"{unseen} of {len(names)} groups could not be asked; name production's with --group" if unseen else None
    return [one for one in found if one.topics == covered], problem
