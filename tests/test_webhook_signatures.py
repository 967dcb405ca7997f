"""Signed webhooks, held against the reference of the specification Standard Webhooks."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from shadowstream.webhook_signatures import ID, SIGNATURE, TIME, key_of, problem_of, signed_headers

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BEFORE = "whsec_" + base64.b64encode(bytes(range(24))).decode()
PLAIN = "a secret of more than 16 characters"
BODIES = st.dictionaries(st.text(), st.integers() | st.text()).map(lambda one: json.dumps(one).encode())


def reference(secret: str) -> Webhook:
    return Webhook(secret if secret.startswith("whsec_") else secret.encode())


@given(BODIES, st.from_regex(r"[!-~]{1,40}", fullmatch=True), st.sampled_from([SECRET, PLAIN]))
def test_the_reference_verifies_what_is_signed(body: bytes, name: str, secret: str) -> None:
    headers = signed_headers(name, body, int(time.time()), [secret])
    assert reference(secret).verify(body, headers) == json.loads(body)
    assert problem_of(headers, body, time.time(), [secret], 300) is None


@given(BODIES, st.sampled_from([SECRET, PLAIN]))
def test_what_the_reference_signs_is_verified(body: bytes, secret: str) -> None:
    from datetime import UTC, datetime

    at_s = int(time.time())
    signature = reference(secret).sign("msg_1", datetime.fromtimestamp(at_s, UTC), body.decode())
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(at_s), "Webhook-Signature": f"v1a,xx {signature}"}
    assert problem_of(headers, body, time.time(), [secret], 300) is None


def test_the_example_of_the_specification_is_verified() -> None:
    """The first example that its libraries share: id, time, body, secret and signature."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = {ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", TIME: "1614265330"}
    headers[SIGNATURE] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert problem_of(headers, body, 1614265330, [secret], 300) is None


@pytest.mark.parametrize("used", [SECRET, BEFORE])
def test_while_secrets_change_a_receiver_with_either_verifies(used: str) -> None:
    headers = signed_headers("a", b"{}", int(time.time()), [SECRET, BEFORE])
    assert reference(used).verify(b"{}", headers) == {}
    assert problem_of(headers, b"{}", time.time(), [used], 300) is None
    with pytest.raises(WebhookVerificationError):
        reference(PLAIN).verify(b"{}", headers)
    assert problem_of(headers, b"{}", time.time(), [PLAIN], 300) is not None


@pytest.mark.parametrize(
    ("changed", "body", "late_s"),
    [
        *((name, b"{}", 0.0) for name in (ID, TIME, SIGNATURE)),
        *[("", b"{} ", 0.0), ("", b"{}", 301.0), ("", b"{}", -301.0)],
    ],
)
def test_what_is_changed_or_old_is_not_genuine(changed: str, body: bytes, late_s: float) -> None:
    headers = signed_headers("a", b"{}", 1_000_000, [SECRET])
    headers |= {changed: headers[changed] + "1"} if changed else {}
    assert problem_of(headers, body, 1_000_000 + late_s, [SECRET], 300) is not None


@pytest.mark.parametrize("name", [ID, TIME, SIGNATURE])
def test_without_one_of_the_headers_nothing_can_be_checked(name: str) -> None:
    headers = signed_headers("a", b"{}", 1_000_000, [SECRET])
    with pytest.raises(LookupError, match=name):
        problem_of({**headers, name: " "}, b"{}", 1_000_000, [SECRET], 300)


def test_no_full_stop_of_an_id_can_move_the_border() -> None:
    moved = signed_headers("a.1000", b"{}", 1_000_000, [SECRET])
    assert "." not in moved[ID]
    assert moved[SIGNATURE] != signed_headers("a", b"1000000.{}", 1_000, [SECRET])[SIGNATURE]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!", "whsec_" + "QUFB" * 4, "whsec_" + "QUFB" * 30])
def test_a_secret_that_the_specification_does_not_know_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="after whsec_"):
        key_of(secret)
