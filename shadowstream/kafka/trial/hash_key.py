"""The key of the hashes that stand for values: of the config, or of the trial.

The brokers give each topic a random id when it is created. The id of `starts` is thus made once per trial, is the same
for all of its roles, and goes with the trial. It is in no record, page or message. Whoever may describe the topic can
read it, so a trial whose readers must not test guesses needs a key of its own.
"""

import time

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.client.errors import translated_errors

WAIT_S = 15.0


def keyed(config: Config, client: AdminClient) -> Config:
    """Return the config as a role uses it: with the trial's key where it hides values and gives no key of its own.

    Without a key, equal keys could not be recognised as equal. So this raises `BrokerError` while no broker knows
    the topic, and `ConfigError` if the brokers give topics no ids.
    """
    if not _lacks_key(config):
        return config
    deadline = time.monotonic() + WAIT_S
    while (found := _id_of(client, config)) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    if found is None:
        raise BrokerError(f"no broker knows topic {config.plan.of('starts')}, which was created just now", fatal=True)
    if not found:
        raise ConfigError(
            "compare.examples.secret: these brokers give topics no id, from which the key of hashes would be made; "
            "give a secret of the trial there as ${VARIABLE}, or show all values (values: shown)"
        )
    return _with(config, found)


def keyed_for_reading(config: Config) -> Config:
    """Return the config as a command uses it: without a key, it leaves out what it would show as a hash."""
    if not _lacks_key(config) or not (found := _id_of(admin(config.kafka), config)):
        return config
    return _with(config, found)


def _lacks_key(config: Config) -> bool:
    return not config.compare.shows_texts and config.compare.hash_key is None


def _with(config: Config, topic_id: str) -> Config:
    return config.model_copy(update={"compare": config.compare.keyed(f"{config.name}:{topic_id}")})


def _id_of(client: AdminClient, config: Config) -> str | None:
    """Return the id of the topic; "" from brokers without ids, None from brokers that do not know the topic yet."""
    topic = config.plan.of("starts")
    with translated_errors("describe_topics"):
        asked = client.describe_topics(TopicCollection([topic]), request_timeout=offsets.TIMEOUT_S)
    try:
        found = str(asked[topic].result(offsets.TIMEOUT_S).topic_id)
    except (KafkaException, TimeoutError):
        return None
    return found if found.strip("A=") else ""
