"""Access to the cluster and the writer schemas."""

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from shadowstream.config.client_properties import Value, canonical
from shadowstream.config.model import Model, empty
from shadowstream.config.registry_properties import checked
from shadowstream.errors import ConfigError

POLL_INTERVAL_MS = 300_000
"""The client's default of max.poll.interval.ms."""


Principal = Literal["runner", "joiner", "judge", "labels", "alerts", "operator", "reader"]
"""A part of the trial with rights of its own: a role; operator, for people's commands, `up` and `topics apply`; reader,
for `gate`, `status`, `explain`, `report`, `diff`, `replay`, `prove` and subscriptions."""
PRINCIPALS: tuple[Principal, ...] = get_args(Principal)
Client = Annotated[dict[str, Value], AfterValidator(canonical)]


class Msk(Model):
    """Login to Amazon MSK by AWS IAM (extra `msk`)."""

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$", description="AWS region of the cluster")
    role_arn: str | None = Field(
        None, pattern=r"^arn:[^\s]+$", description="role to assume; default: the credentials that AWS's chain finds"
    )
    profile: str | None = Field(None, min_length=1, description="named profile of AWS's configuration files")

    @model_validator(mode="after")
    def _single_source(self) -> Self:
        if self.role_arn and self.profile:
            raise ValueError("give either role_arn or profile; a profile can name a role itself")
        return self


class PrincipalClient(Model):
    """Client properties of one principal."""

    client: Client = Field(
        default_factory=dict,
        description="librdkafka properties, in addition to those of kafka.client or in their place",
    )
    msk: Msk | None = Field(None, description="login to Amazon MSK, in place of kafka.msk")


class Kafka(Model):
    """Access to the cluster. One cluster holds all topics; two clusters are not supported."""

    bootstrap: str = Field("localhost:9092", min_length=1, description="host:port of one or more brokers, by comma")
    client: Client = Field(
        default_factory=dict, description="librdkafka properties for every client, for example security settings"
    )
    msk: Msk | None = Field(None, description="login to Amazon MSK by AWS IAM, of every client")
    roles: dict[Principal, PrincipalClient] = Field(
        default_factory=dict,
        description="credentials of each role: runner, joiner, judge, labels and alerts; operator, for override, "
        "alerts ack and mute, up and topics; reader, for gate, status, explain, report, diff, replay, prove and "
        "subscriptions",
    )

    group_protocol: Literal["classic", "consumer"] = Field(
        "classic",
        description="group protocol of the trial: classic, partitions by range among the members; consumer, by the "
        "broker's range assignor (KIP-848, Kafka 4). All members of a trial use the same",
    )

    @property
    def poll_interval_ms(self) -> int:
        """After this time without a poll, the group revokes a member's partitions, ms."""
        return int(self.client.get("max.poll.interval.ms", POLL_INTERVAL_MS))

    def of(self, principal: Principal) -> Self:
        """Return the access of one principal, without the credentials of the others.

        Raises `ConfigError` for an empty property: the variable of a password is set for its own role only.
        """
        client = self.client_of(principal)
        if empty := [name for name, value in client.items() if value == ""]:
            raise ConfigError(
                f"kafka.client: {', '.join(empty)} is empty for {principal}; set its variable for this process"
            )
        return self.model_copy(update={"client": client, "msk": self._msk_of(principal), "roles": {}})

    def client_of(self, principal: Principal) -> Client:
        """Return the client properties of one principal."""
        own = self.roles.get(principal)
        return {**self.client, **(own.client if own is not None else {})}

    def _msk_of(self, principal: Principal) -> Msk | None:
        own = self.roles.get(principal)
        return self.msk if own is None or own.msk is None else own.msk

    @model_validator(mode="after")
    def _single_login(self) -> Self:
        for principal in PRINCIPALS:
            if self._msk_of(principal) is None:
                continue
            logins = [name for name in self.client_of(principal) if name == "security.protocol" or "sasl." in name]
            if logins:
                raise ValueError(f"msk sets the login itself; remove {', '.join(logins)} from client ({principal})")
        return self


class Format(Model):
    """Format of the values of one topic. Without one, each value describes itself (`auto`)."""

    format: Literal["auto", "avro", "json", "protobuf", "bytes", "text"] = Field(
        "auto",
        description="auto: by what a value begins with, 00 and a schema id (Avro, JSON or Protobuf, as registered), "
        "C3 01 and a fingerprint (Avro), else JSON. The others say what a value without such a beginning is: avro, "
        "protobuf: a bare body of the schema in schema_ids; json: a JSON text, held against that schema if one is "
        "named; bytes, text: the whole value",
    )
    header: bool = Field(
        False, description="records name their schema in the header __value_schema_id, which is looked at first"
    )
    schema_ids: list[int] = Field(
        default_factory=empty,
        max_length=1000,
        description="ids in schemas.dir or the registry. avro, protobuf: the one of the values; json: of the schema "
        "they must fit; auto: of those that fingerprints may name, which is needed with a registry only",
    )
    message: str | None = Field(
        None, min_length=1, description="protobuf: full name of the message; default: the first of the schema"
    )

    @property
    def is_self_describing(self) -> bool:
        """Whether equal bytes in two topics of this format have the same meaning."""
        return self.format == "auto" or (self.format == "json" and not self.schema_ids)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        counts = {"avro": (1, 1), "protobuf": (1, 1), "json": (0, 1), "auto": (0, 1000)}
        ids_min, ids_max = counts.get(self.format, (0, 0))
        if not ids_min <= len(self.schema_ids) <= ids_max:
            expected = "exactly one id" if ids_min else "at most one id" if ids_max else "none"
            raise ValueError(f"schema_ids: format {self.format} takes {expected}")
        if self.header and self.format not in ("auto", "avro", "json"):
            raise ValueError(f"header does not go with format {self.format}; take auto")
        if self.message and self.format != "protobuf":
            raise ValueError("message goes with format: protobuf")
        return self


class Schemas(Model):
    """Source of writer schemas (a folder of `<id>.<subject>.avsc`, or a schema registry), and the formats of topics."""

    dir: str | None = Field(
        None,
        description="folder of <id>.<subject>.avsc files (.json: a JSON Schema, .proto: Protobuf), relative to the "
        "config file",
    )
    registry: str | None = Field(None, description="URL of a Confluent-compatible schema registry")
    client: Annotated[dict[str, str], AfterValidator(checked)] = Field(
        default_factory=dict,
        description="properties of the registry's client: basic.auth.user.info, bearer.auth.*, ssl.ca.location, "
        "ssl.certificate.location, ssl.key.location, ssl.key.password",
    )
    formats: dict[str, Format] = Field(
        default_factory=dict,
        description="by topic that production, the candidate's or the twin's job writes, inputs and labels: how its "
        "values are written, where they do not say it themselves",
    )

    native: bool = Field(
        True,
        description="read many Avro values at once by pyruhvro, which is native code; each schema is proven against "
        "fastavro before. false: fastavro alone, at some five times the CPU time; pyruhvro is not loaded then, nor "
        "shadowstream's own native comparison",
    )

    @model_validator(mode="after")
    def _single_source(self) -> Self:
        if self.dir and self.registry:
            raise ValueError("give either dir or registry, not both")
        if self.client and not self.registry:
            raise ValueError("client: goes with registry, the URL of the registry that it logs in to")
        if not (self.dir or self.registry) and any(format.schema_ids for format in self.formats.values()):
            raise ValueError("formats: schema_ids name schemas of dir or registry; give one of them")
        return self
