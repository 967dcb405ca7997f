"""A stage for each test, with a webhook that is down at first."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shadowstream.testing.choice import Broker
from tests.alerts.alerts_trial import AlertsTrial
from tests.alerts.webhook import Webhook

MakeAlertsTrial = Callable[..., AlertsTrial]


@pytest.fixture
def make_alerts_trial(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Iterator[MakeAlertsTrial]:
    name = f"alerts-{topic_prefix.rstrip('.')[-8:]}"
    with ExitStack() as stack:

        def make(*, bounded: bool = False, channels: Sequence[dict[str, Any]] = ()) -> AlertsTrial:
            webhook = stack.enter_context(Webhook())
            alerts_trial = AlertsTrial(kafka.bootstrap, name, tmp_path, webhook, bounded, list(channels))
            stack.callback(alerts_trial.close)
            return alerts_trial

        yield make


@pytest.fixture
def alerts_trial(make_alerts_trial: MakeAlertsTrial) -> AlertsTrial:
    return make_alerts_trial()
