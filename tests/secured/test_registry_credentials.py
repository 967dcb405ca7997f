"""`schemas.client`: the registry's client logs in to a real HTTPS server, and shows no secret."""

import base64
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from shadowstream.config import Schemas
from shadowstream.config.registry_properties import TEXTS
from shadowstream.configfile import load, masked
from shadowstream.errors import BrokerError, ConfigError, RegistryError
from shadowstream.kafka.schemas.registry import schema_source
from tests.codecs.registry_server import Registry
from tests.secured.certificates import Authority
from tests.secured.secured_kafka import password_of
from tests.secured.token_service import token_service

BASIC = "Basic " + base64.b64encode(b"ada:sesame").decode()
ANSWERS = {"/schemas/ids/7": {"schema": '"string"'}}
Client = dict[str, str]


@contextmanager
def registry(authority: Authority, authorization: str = "", *, mutual: bool = False) -> Iterator[Registry]:
    """A registry behind TLS. `mutual`: it demands a certificate of the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("registry").both)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
    one = Registry(0, context, authorization)
    one.answers = ANSWERS
    try:
        yield one
    finally:
        one.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("registry"))


def schema(one: Registry, client: Client) -> object:
    return schema_source(Schemas(registry=one.url(), client=client)).by_id(7)


def test_a_user_and_password_reach_a_registry_of_tls(authority: Authority) -> None:
    trusting = {"ssl.ca.location": str(authority.file)}
    with registry(authority, BASIC) as one:
        assert schema(one, {**trusting, "basic.auth.user.info": "ada:sesame"}) == "string"
        for wrong in (trusting, {**trusting, "basic.auth.user.info": "ada:wrong-one"}):
            with pytest.raises(BrokerError, match=r"check schemas\.client: user and password") as refused:
                schema(one, wrong)
            assert "wrong-one" not in str(refused.value)
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED"):
            schema(one, {"basic.auth.user.info": "ada:sesame"})


def test_a_fixed_token_and_one_of_a_service_reach_it_as_well(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = {"ssl.ca.location": str(authority.file)}
    fixed = {"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": "t0ken"}
    with registry(authority, "Bearer t0ken") as one:
        assert schema(one, {**trusting, **fixed}) == "string"
    with ExitStack() as stack:
        url, given = stack.enter_context(token_service())
        one = stack.enter_context(registry(authority))
        named = {"credentials.source": "OAUTHBEARER", "client.id": "reader", "client.secret": password_of("reader")}
        named |= {"scope": "registry", "issuer.endpoint.url": url}
        assert schema(one, {**trusting, **{f"bearer.auth.{name}": value for name, value in named.items()}}) == "string"
        assert given == ["reader"]


def test_a_certificate_of_the_client_is_shown_where_one_is_demanded(authority: Authority, tmp_path: Path) -> None:
    own = authority.issue("reader")
    shown = {"ssl.certificate.location": str(own.certificate), "ssl.key.location": str(own.key)}
    trusting = {"ssl.ca.location": str(authority.file)}
    with registry(authority, mutual=True) as one:
        assert schema(one, {**trusting, **shown}) == "string"
        with pytest.raises(RegistryError):
            schema(one, trusting)
        missing = str(tmp_path / "no.pem")
        with pytest.raises(ConfigError, match=r"schemas\.client: .*no\.pem"):
            schema(one, {**trusting, **shown, "ssl.certificate.location": missing})


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        ({"proxy": "http://elsewhere"}, "proxy is no property that can be set here"),
        ({"url": "http://elsewhere"}, "url is no property"),
        ({"basic.auth.user.inof": "a:b"}, "did you mean 'basic.auth.user.info'"),
        ({"bearer.auth.token": "t"}, "credentials.source must be STATIC_TOKEN or OAUTHBEARER"),
        ({"bearer.auth.credentials.source": "CUSTOM"}, "credentials.source must be"),
        ({"bearer.auth.credentials.source": "STATIC_TOKEN"}, "needs bearer.auth.token"),
        ({"ssl.key.location": "key.pem"}, "needs ssl.certificate.location"),
    ],
)
def test_a_property_that_cannot_be_used_is_an_error_that_names_it(client: Client, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Schemas(registry="http://localhost:1", client=client)
    with pytest.raises(ValidationError, match="goes with registry"):
        Schemas(client={"ssl.ca.location": "ca.pem"})
    with pytest.raises(ConfigError, match=r"schemas\.client: basic\.auth\.user\.info is empty here"):
        schema_source(Schemas(registry="http://localhost:1", client={"basic.auth.user.info": ""}))


def test_no_secret_of_the_registrys_client_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    secrets = {name: f"hidden-{n}" for n, name in enumerate(sorted(TEXTS)) if "secret" in name or "token" in name}
    secrets |= {"ssl.key.password": "hidden-key"}
    client = {**dict.fromkeys(TEXTS - {"basic.auth.user.info"}, "shown"), **secrets}
    client["bearer.auth.credentials.source"] = "STATIC_TOKEN"
    for properties in (client, {"basic.auth.user.info": "ada:hidden-info"}):
        trial = {"name": "a", "inputs": ["in"], "production": {"outputs": ["out"]}, "candidate": {"call": "a:b"}}
        trial["schemas"] = {"registry": "http://localhost:1", "client": properties}
        path.write_text(json.dumps(trial))
        found = masked(load(path, {}))["schemas"]["client"]
        assert found.keys() == properties.keys()
        assert "hidden" not in json.dumps(found)


def test_the_client_of_a_registry_loads_without_a_warning() -> None:
    made = "from shadowstream.kafka.schemas.registry import RegistrySchemas; RegistrySchemas('http://localhost:1')"
    done = subprocess.run([sys.executable, "-P", "-c", made], check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
