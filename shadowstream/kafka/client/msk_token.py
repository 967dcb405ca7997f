"""Tokens of AWS IAM for brokers of Amazon MSK: OAUTHBEARER, by the library of Amazon (extra `msk`).

The library signs a request with the credentials that AWS's default chain finds (environment, profile, web identity,
container, instance) or with those of a role that they may assume. The client asks again before a token ends.
"""

from collections.abc import Callable
from typing import Any

from shadowstream import extras
from shadowstream.config import Kafka
from shadowstream.config.cluster import Msk
from shadowstream.errors import BrokerError
from shadowstream.logs import get_logger

log = get_logger("kafka")
SESSION_NAME = "shadowstream"
Token = tuple[str, float]
"""A token, and the time in seconds since 1970 at which it ends."""


def settings(kafka: Kafka) -> dict[str, Any]:
    """Return the settings of a client that logs in by AWS IAM; none without `kafka.msk`. Raises `ConfigError`."""
    if kafka.msk is None:
        return {}
    ask = token_source(kafka.msk)

    def callback(_config: str) -> Token:
        try:
            return ask()
        except BrokerError as error:
            log.warning("no_token", error=str(error))
            raise

    return {"security.protocol": "SASL_SSL", "sasl.mechanisms": "OAUTHBEARER", "oauth_cb": callback}


def token_source(msk: Msk) -> Callable[[], Token]:
    """Return a function that gives a new token. Raises `ConfigError` if the extra is missing.

    The function raises `BrokerError`: AWS gives no credentials now.
    """
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider as Signer
    except ImportError as error:
        raise extras.missing("msk", "kafka.msk", error.name) from error

    def ask() -> Token:
        try:
            if msk.role_arn is not None:
                token, ends_ms = Signer.generate_auth_token_from_role_arn(msk.region, msk.role_arn, SESSION_NAME)
            elif msk.profile is not None:
                token, ends_ms = Signer.generate_auth_token_from_profile(msk.region, msk.profile)
            else:
                token, ends_ms = Signer.generate_auth_token(msk.region)
        except Exception as error:  # any error of AWS's libraries: no service, no right, no credentials
            found = "no credentials were found" if isinstance(error, AttributeError) else repr(error)
            raise BrokerError(f"kafka.msk: AWS gives no token: {found}; check the pod's or machine's role") from error
        return token, ends_ms / 1000

    return ask
