"""`compare` on a cluster that hides the settings of a topic."""

import pytest
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]  # public, not in __all__

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Kafka
from shadowstream.errors import ConfigError
from shadowstream.kafka.topic_pairs.read_topic import Topic, is_compacted
from shadowstream.testing.topics import create_topics
from tests.secured.secured_kafka import SecuredKafka, right


def test_a_topic_with_hidden_settings_may_be_compacted(secured: SecuredKafka, topic_prefix: str) -> None:
    name = f"{topic_prefix}a"
    create_topics(secured.bootstrap, {name: 1}, {"cleanup.policy": "compact"})
    topic = Topic("A", name, Kafka(bootstrap=secured.login, client=secured.client("reader")), Decoder(NoSchemas()))
    secured.allow([right("reader", AclOperation.READ, ResourceType.TOPIC, name)])
    with pytest.raises(ConfigError, match=r"A: the settings of .* cannot be seen.*--compacted or --every-record"):
        is_compacted(topic)
    secured.allow([right("reader", AclOperation.DESCRIBE_CONFIGS, ResourceType.TOPIC, name)])
    assert is_compacted(topic)
