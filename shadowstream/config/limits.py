"""Config of bounds."""

from typing import Literal

from pydantic import Field

from shadowstream.config.model import Model, PositiveMillis


class Limits(Model):
    """Bounds. Reaching one is a reported outcome, never a crash or a silent loss."""

    commit_ms: PositiveMillis = Field(500, description="time from one commit to the next, ms; more if commits are slow")
    commit_records: int = Field(50_000, ge=1, description="most records between two commits")
    records_per_s: int | None = Field(
        None,
        ge=1,
        description="most inputs that one runner process reads a second; a joiner process reads as many "
        "records of each side. Default: no ceiling",
    )
    bytes_per_s: int | None = Field(
        None, ge=1_000, description="as records_per_s, in bytes of keys and values. Default: no ceiling"
    )
    value_bytes_max: int = Field(900_000, ge=1, description="largest candidate output value, bytes")
    decoded_bytes_max: int = Field(
        10_000_000, ge=1, description="larger values are not decoded: they are undecodable, bytes"
    )
    decoded_values_max: int = Field(
        100_000,
        ge=1,
        description="records that hold more values (fields, items, entries) are not decoded: they are undecodable. A "
        "record of the default takes some 25 MB of memory at most",
    )
    snapshot_bytes_max: int = Field(
        900_000, ge=1, le=900_000, description="largest snapshot of a candidate's state, per input partition, bytes"
    )
    pending_bytes_max: int = Field(200_000_000, ge=1, description="most bytes of unpaired records per joiner process")
    overflow: Literal["hold", "shed", "spill"] = Field(
        "hold",
        description="where both sides lead by turns and holding one back does not keep to pending_bytes_max: hold "
        "takes more memory and loses nothing; shed ends half of all identities as evicted, and half of what is left; "
        "spill puts values that wait, unredacted, into a private file and loses nothing (not with identity.kind: "
        "occurrence or identity.outputs: many)",
    )
    spill_dir: str | None = Field(
        None,
        min_length=1,
        description="folder of the spill file of each joiner, which has no name there, is readable by its owner alone "
        "and ends with the process; default: the temporary folder, which must not be memory (tmpfs)",
    )
    spill_bytes_max: int = Field(
        10_000_000_000,
        ge=1,
        description="largest spill file per joiner process, bytes; beyond, more memory is taken, and the log names it",
    )
    corrections_max: int = Field(
        100_000, ge=0, description="most outcomes missing and extra per output partition that stay correctable"
    )
    transaction_timeout_ms: PositiveMillis = Field(10_000, description="transaction.timeout.ms of our producers")


class Isolation(Model):
    """Rights on the cluster that a start requires, and those that it accepts; each acceptance is in every verdict."""

    unproven: Literal["refuse", "accept"] = Field(
        "refuse",
        description="where the brokers allow everything (no authorizer, or a super user), so that isolation cannot be "
        "proven: refuse to start, or accept; brokers on this machine are accepted",
    )
    roles: Literal["apart", "shared"] = Field(
        "apart",
        description="apart: the start of a role is refused if it may write what another role decides; shared: the "
        "roles use one principal, so that the runner has rights over the judge's topics",
    )
