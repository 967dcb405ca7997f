"""A stage for each test, with a webhook that is down at first."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shadowstream.testing.choice import Broker
from tests.alerts.alerts_trial import Stage
from tests.alerts.webhook import Webhook

SetStage = Callable[..., Stage]


@pytest.fixture
def set_stage(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Iterator[SetStage]:
    name = f"alerts-{topic_prefix.rstrip('.')[-8:]}"
    with ExitStack() as stack:

        def make(*, bounded: bool = False) -> Stage:
            webhook = stack.enter_context(Webhook())
            stage = Stage(kafka.bootstrap, name, tmp_path, webhook, bounded)
            stack.callback(stage.close)
            return stage

        yield make
