"""Config of a candidate behind a model server: its address, its protocol, and how records become tensors."""

import math
from itertools import combinations
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from shadowstream.config.model import Model, SinglePath, check_headers, empty
from shadowstream.config.tensor_types import Datatype, element
from shadowstream.paths import parse_one

HTTP_CALLS = 4
"""A request and its answer take up to twice the time; a failed batch is followed by a single record."""
ELEMENTS_MAX = 100_000
"""Maximum number of elements of one record in one tensor."""
_OWN_HEADERS = {"accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}
_PORTS = {"http": 80, "https": 443}
Scalar = bool | int | float | str
Dimensions = list[Annotated[int, Field(ge=1, le=ELEMENTS_MAX)]]


class InputTensor(Model):
    """One tensor of a request: a row of elements for each record of the batch."""

    name: str = Field(min_length=1, description="name of the tensor")
    datatype: Datatype = Field(description="type of its elements; a value that does not fit fails its record")
    fields: list[SinglePath] = Field(
        min_length=1,
        max_length=1_000,
        description="dotted paths of the fields that make up a record's row, in this order; of a single field also a "
        "list, flattened",
    )
    shape: Dimensions | None = Field(
        None,
        max_length=8,
        description="dimensions of a record's row; the batch is the dimension before them. Default: the number of "
        "fields",
    )
    default: Scalar | None = Field(None, description="element in place of a field that is absent or null")
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="parameters of the tensor, sent unchanged")

    @property
    def dimensions(self) -> list[int]:
        """The dimensions of a record's row, with the default resolved."""
        return [len(self.fields)] if self.shape is None else self.shape

    @property
    def size(self) -> int:
        """The number of elements of a record's row."""
        return math.prod(self.dimensions)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.size > ELEMENTS_MAX:
            raise ValueError(f"shape: a record has {self.size} elements; at most {ELEMENTS_MAX} are sent")
        if len(self.fields) > 1 and len(self.fields) != self.size:
            raise ValueError(f"shape: holds {self.size} elements, and fields names {len(self.fields)}")
        if self.default is not None:
            try:
                element(self.datatype, self.default)
            except ValueError as error:
                raise ValueError(f"default: {error}") from None
        return self


class OutputTensor(Model):
    """One tensor of an answer, and where a record's row of it goes."""

    name: str = Field(min_length=1, description="name of the tensor")
    path: SinglePath | None = Field(
        None,
        min_length=1,
        description="dotted path in the candidate's output; $ is the whole output. Default: a field of the tensor's "
        "name",
    )

    @property
    def place(self) -> list[str]:
        """The names that lead to the row in the output."""
        return [self.name] if self.path is None else parse_one(self.path)


class Tls(Model):
    """Files of a connection by TLS. The runner reads them at each start of the candidate's process."""

    ca_file: str | None = Field(
        None, min_length=1, description="PEM file of the authorities that are trusted; default: the system's"
    )
    cert_file: str | None = Field(None, min_length=1, description="PEM file of the client's certificate")
    key_file: str | None = Field(None, min_length=1, description="PEM file of its private key, without a password")

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self


class Http(Model):
    """A model server that answers in the candidate's place."""

    url: str = Field(
        pattern=r"^https?://[^\s?#@]+$",
        description="address of the server: scheme, host, port and a path before /v2; with protocol json the whole "
        "address. The candidate's process connects to this host and port only",
    )
    protocol: Literal["oip", "json"] = Field(
        "oip",
        description="oip: Open Inference Protocol v2, as KServe, Triton, Seldon and MLServer have it; json: a POST of "
        "the decoded value (batch above 1: of a list of them), answered by a value (a list of as many)",
    )
    model: str | None = Field(None, min_length=1, description="oip: name of the model")
    version: str | None = Field(None, min_length=1, description="oip: version of the model; default: the server's")
    inputs: list[InputTensor] = Field(default_factory=empty, max_length=1_000, description="oip: tensors of a request")
    outputs: list[OutputTensor] = Field(
        default_factory=empty,
        max_length=1_000,
        description="oip: tensors of an answer that make up the output; default: all, each a field of its name",
    )
    parameters: dict[str, Scalar] = Field(
        default_factory=dict, description="oip: parameters of each request, sent unchanged"
    )
    batch: int = Field(1, ge=1, le=4_096, description="most records in one request")
    concurrency: int = Field(1, ge=1, le=64, description="most requests at the same time")
    retries: int = Field(
        3,
        ge=0,
        le=10,
        description="most further tries after a lost connection or status 429, 502, 503 or 504, with growing pauses, "
        "within candidate.timeout_ms",
    )
    ready: str | None = Field(
        None,
        pattern=r"^/[^\s?#]*$",
        description="path that answers 2xx while the server can answer; it tells a server that is away from a record "
        "on which it fails. Default: oip, the model's ready; json, none",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="further headers of each request, for example Authorization"
    )
    header_files: dict[str, str] = Field(
        default_factory=dict,
        description="headers whose values are in files, for example mounted secrets; read at each start of the "
        "candidate's process",
    )
    tls: Tls | None = Field(None, description="files of a connection by TLS")

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of the server."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    @property
    def network(self) -> str:
        """The only address that the candidate's process connects to, as in `candidate.network`."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def shown(self) -> str:
        """The model for people."""
        version = f", version {self.version}" if self.version else ""
        return f"model {self.model}{version} at {self.network}" if self.model else f"model server at {self.url}"

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is answered; evidence is bound to them."""
        operational = {"batch", "concurrency", "retries", "ready", "headers", "header_files", "tls"}
        return {name: value for name, value in self.model_dump(mode="json", exclude=operational).items() if value}

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        try:
            host, port = self.address
        except ValueError:
            host, port = "", 0
        if not host or not port:
            raise ValueError("url: names no host, or a port that is none; ports are 1 to 65535")
        if self.tls is not None and not self.url.startswith("https://"):
            raise ValueError("tls: goes with a url that begins with https://")
        return self

    @model_validator(mode="after")
    def _fits_the_protocol(self) -> Self:
        if self.protocol == "oip" and (self.model is None or not self.inputs):
            raise ValueError("protocol: oip needs model and inputs; or set protocol: json")
        if self.protocol == "json":
            given = {"model", "version", "inputs", "outputs", "parameters"} & self.model_fields_set
            if given:
                raise ValueError(f"{', '.join(sorted(given))}: goes with protocol: oip")
        for key, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = [tensor.name for tensor in tensors]
            if len(set(names)) < len(names):
                raise ValueError(f"{key}: two tensors have one name")
        for one, other in combinations([tensor.place for tensor in self.outputs], 2):
            shorter = min(len(one), len(other))
            if one[:shorter] == other[:shorter]:
                raise ValueError("outputs: two tensors go to one place, or one goes into the other's")
        return self

    @model_validator(mode="after")
    def _has_usable_headers(self) -> Self:
        check_headers(self.headers, _OWN_HEADERS)
        check_headers(dict.fromkeys(self.header_files, ""), _OWN_HEADERS)
        names = [name.lower() for name in (*self.headers, *self.header_files)]
        if len(set(names)) < len(names):
            raise ValueError("headers: a header has two values; give each once, in headers or in header_files")
        return self


class Pickle(Model):
    """A pickled model, which is loaded in the candidate's process only, and only with this digest."""

    path: str = Field(min_length=1, description="file of the pickled object, relative to the config file")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file in hex digits; a file with another one is refused"
    )
    format: Literal["pickle", "joblib"] = Field("pickle", description="library that reads the file")
    method: str | None = Field(
        None,
        pattern=r"^[A-Za-z]\w*$",
        description="method of the object that is called, for example predict; default: the object itself",
    )
