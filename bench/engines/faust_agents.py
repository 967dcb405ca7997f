"""Faust: an agent a topic and a dict a side, since its stream joins are not implemented; mismatches to a topic.

The dicts are in memory and not tables: a table would add a changelog record for each. At least once, a commit a second.
"""

import os
import tempfile

import faust

from bench.engines.plain import agree, reader
from bench.engines.telling import Telling, spec


def main() -> None:
    asked = spec()
    telling, decode, atol = Telling(asked["pairs"]), reader(asked["schema"]), asked["atol"]
    app = faust.App(
        f"bench-faust-{asked['production']}",
        broker=f"kafka://{asked['bootstrap']}",
        store="memory://",
        datadir=tempfile.mkdtemp(),
        web_enabled=False,
        broker_commit_interval=1.0,
        broker_commit_every=1_000_000,
        stream_wait_empty=False,
        topic_disable_leader=True,
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    production, shadow, found = (app.topic(asked[name], **raw) for name in ("production", "shadow", "found"))
    waiting: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    counted = [0, 0]

    async def take(side: int, key: bytes, value: bytes) -> None:
        other = waiting[1 - side].pop(key, None)
        if other is None:
            waiting[side][key] = value
            return
        ours, theirs = (value, other) if side == 0 else (other, value)
        counted[0] += 1
        telling.reached(counted[0])
        if ours != theirs and not agree(decode(ours), decode(theirs), atol):
            counted[1] += 1
            await found.send(key=key, value=theirs)
        if counted[0] >= asked["pairs"]:
            await app.consumer.commit()
            telling.found(*counted)
            os._exit(0)

    @app.agent(production)
    async def of_production(stream: faust.Stream[bytes]) -> None:
        async for key, value in stream.items():
            await take(0, key, value)

    @app.agent(shadow)
    async def of_shadow(stream: faust.Stream[bytes]) -> None:
        async for key, value in stream.items():
            await take(1, key, value)

    faust.Worker(app, loglevel="error", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
