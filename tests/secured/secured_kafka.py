"""A broker with TLS, SASL and an authorizer, its users, and the rights that they are given."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from shadowstream.config import PRINCIPALS
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.ports import free_port
from shadowstream.testing.properties import secured_listeners
from tests.pipeline.written_records import await_that
from tests.secured.certificates import Authority

USERS = (*PRINCIPALS, "shared")
TOKENS_S = 3600


def password_of(user: str) -> str:
    return f"{user}-has-no-secret"


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """`bootstrap`: the port where everybody may do everything. `login`, `mutual`: those that ask who comes."""

    bootstrap: str
    login: str
    mutual: str
    authority: Authority
    admin: AdminClient

    def client(self, user: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """Client properties of a user that logs in with a password."""
        names = {"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password_of(user)}
        return {"security.protocol": "SASL_SSL", "ssl.ca.location": str(self.authority.file), **names}

    def certified(self, user: str) -> dict[str, str]:
        """Client properties of a user that shows a certificate."""
        mine = self.authority.issue(user)
        files = {"ssl.certificate.location": str(mine.certificate), "ssl.key.location": str(mine.key)}
        return {"security.protocol": "SSL", "ssl.ca.location": str(self.authority.file), **files}

    def allow(self, rights: Iterable[AclBinding]) -> None:
        given = list(rights)
        for future in self.admin.create_acls(given).values():
            future.result(30)
        await_rights(self.admin, lambda known: known >= {str(one) for one in given})

    def withdraw(self, one: AclBinding) -> None:
        """Take one right away."""
        named = (one.restype, one.name, one.resource_pattern_type, one.principal, one.host)
        for future in self.admin.delete_acls([AclBindingFilter(*named, one.operation, one.permission_type)]).values():
            future.result(30)
        await_rights(self.admin, lambda known: str(one) not in known)

    def forbid(self) -> None:
        """Take every right away."""
        pattern, operation = ResourcePatternType.ANY, AclOperation.ANY
        anybody: Any = None  # the client's stubs know no such filter
        every = AclBindingFilter(ResourceType.ANY, anybody, pattern, anybody, anybody, operation, AclPermissionType.ANY)
        for future in self.admin.delete_acls([every]).values():
            future.result(30)
        await_rights(self.admin, lambda known: not known)


def await_rights(admin: AdminClient, holds: Callable[[set[str]], bool]) -> None:
    """Wait until the broker's authorizer has loaded a change, a moment after the controller has answered."""
    anything: Any = None  # the client's stubs know no such filter
    kinds = (ResourceType.ANY, anything, ResourcePatternType.ANY, anything, anything)
    every = AclBindingFilter(*kinds, AclOperation.ANY, AclPermissionType.ANY)
    await_that(
        "the rights are as they were changed",
        lambda: holds({str(one) for one in admin.describe_acls(every, request_timeout=10).result(10)}),
    )


def right(user: str, operation: AclOperation, kind: ResourceType, name: str, *, prefixed: bool = False) -> AclBinding:
    """One right of a user."""
    pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def unsigned_token(user: str, now_s: float) -> str:
    """A token as a test's broker accepts it: unsigned, with a subject and a lifetime."""
    parts = {"alg": "none"}, {"sub": user, "iat": now_s, "exp": now_s + TOKENS_S}
    head, claims = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{claims}."


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """Start the broker; its certificates are in `folder`."""
    authority = Authority(folder)
    own, controller, login, mutual = (free_port() for _ in range(4))
    files = authority.issue("broker").both, authority.file
    users = {user: password_of(user) for user in USERS}
    properties = secured_listeners((own, controller), login, mutual, files, users)
    with EmbeddedKafka(port=own, properties=properties) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            secret = ScramCredentialInfo(mechanism, 4096)
            asked = [UserScramCredentialUpsertion(user, secret, password.encode()) for user, password in users.items()]
            for future in admin.alter_user_scram_credentials(asked).values():
                future.result(30)
        yield SecuredKafka(kafka.bootstrap, f"127.0.0.1:{login}", f"127.0.0.1:{mutual}", authority, admin)
