"""Settings of a model server with its secrets, as the runner passes them to the candidate's process.

The runner reads the files, because the candidate's process cannot read files of secrets. They cross the pipe and are
in no environment variable, argument or log.
"""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from shadowstream.config import Config
from shadowstream.config.model_server import Http
from shadowstream.errors import ConfigError

FILE_BYTES_MAX = 1_000_000


class Settings(NamedTuple):
    """Settings and secrets. `certificate`: the client's, with its key; `authorities`: trusted ones; all in PEM."""

    http: Http
    headers: dict[str, str]
    authorities: bytes | None
    certificate: bytes | None
    timeout_s: float
    result_bytes_max: int

    @property
    def model_path(self) -> str:
        """The path of the model in the Open Inference Protocol."""
        version = f"/versions/{quote(self.http.version, safe='')}" if self.http.version is not None else ""
        return f"/v2/models/{quote(self.http.model or '', safe='')}{version}"


def settings_of(config: Config, result_bytes_max: int) -> Settings | None:
    """Return the settings of a config's model server; None without one. Raises `ConfigError` for a secret that this
    process lacks, and for a file that cannot be used."""
    http = config.candidate.http
    if http is None:
        return None
    headers = dict(http.headers)
    for name, path in http.header_files.items():
        headers[name] = _read(path, f"candidate.http.header_files: {name}").decode("latin-1").strip()
    for name, value in headers.items():
        if not value or not (value.isascii() and value.isprintable()):
            raise ConfigError(
                f"candidate.http.headers: {name} is empty here, or no printable ASCII; set its variable for the "
                "runner's process, or write its file"
            )
    tls = http.tls
    authorities = certificate = None
    if tls is not None and tls.ca_file is not None:
        authorities = _read(tls.ca_file, "candidate.http.tls.ca_file")
    if tls is not None and tls.cert_file is not None and tls.key_file is not None:
        files = {"cert_file": tls.cert_file, "key_file": tls.key_file}
        certificate = b"\n".join(_read(path, f"candidate.http.tls.{key}") for key, path in files.items())
    secrets = (headers, authorities, certificate)
    return Settings(http, *secrets, config.candidate_timeout_ms / 1000, result_bytes_max)


def _read(path: str, key: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{key}: {path} cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{key}: {path} is longer than {FILE_BYTES_MAX} bytes")
    return content
