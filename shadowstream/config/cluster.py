"""How the cluster and the writer schemas are reached."""

from __future__ import annotations

from pydantic import Field, model_validator

from shadowstream.config.model import Model

OWNED_PROPERTIES = frozenset(
    (
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "message.timeout.ms",
        "partition.assignment.strategy",
        "transaction.timeout.ms",
        "transactional.id",
    )
)


class Kafka(Model):
    """How to reach the cluster. One cluster holds everything; two are not supported."""

    bootstrap: str = Field("localhost:9092", min_length=1, description="host:port of one or more brokers, by comma")
    client: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="librdkafka properties for every client, for example security settings"
    )

    @model_validator(mode="after")
    def _leaves_ours(self) -> Kafka:
        ours = sorted(name for name in self.client if name in OWNED_PROPERTIES)
        if ours:
            raise ValueError(f"client: {', '.join(ours)} cannot be set: the guarantees and the isolation rest on it")
        return self


class Schemas(Model):
    """Where writer schemas come from: a folder of `<id>.<subject>.avsc`, or a schema registry."""

    dir: str | None = Field(None, description="folder of <id>.<subject>.avsc files, relative to the config file")
    registry: str | None = Field(None, description="URL of a Confluent-compatible schema registry")

    @model_validator(mode="after")
    def _one_source(self) -> Schemas:
        if self.dir and self.registry:
            raise ValueError("give either dir or registry, not both")
        return self
