"""The live page of `up --web`: it shows a late difference without a reload, and takes no part in the trial."""

import json
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient

from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from shadowstream.testing.topics import Write, produce_all
from tests.metrics.test_up import end, stop
from tests.pipeline.candidates import answer
from tests.pipeline.trial_fixture import PARTITIONS, STEP_MS, UNBOUNDED, Trial, order, time_ms
from tests.pipeline.written_records import await_that
from tests.web.chromium import chromium, opened

ORDERS = 600
HOSTILE = "<img src=x onerror='window.owned=1'>"
MARKED = "[...document.querySelectorAll('th.differs')].map(one => one.innerText).join()"


def wrong_late(trial: Trial, n: int) -> None:
    """Write one more order, and an answer of production with another score and a customer that a page might run."""
    trial.write_orders([n])
    value = answer(order(n))
    value |= {"score": value["score"] + 0.25, "customer": {**value["customer"], "name": HOSTILE}}
    write = Write(json.dumps(value).encode(), b"order-%d" % n, n % PARTITIONS, time_ms(n))
    produce_all(trial.bootstrap, trial.output, [write])


@pytest.mark.long
def test_a_late_difference_appears_without_a_reload(kafka: Broker, tmp_path: Path) -> None:
    settings = {**UNBOUNDED, "judge": {"window_ms": 60 * STEP_MS}}
    trial = Trial(kafka.bootstrap, f"live-{uuid4().hex[:8]}", tmp_path, settings=settings)
    trial.create_topics()
    trial.answered(ORDERS)
    address = f"127.0.0.1:{free_port()}"
    up = trial.start("up", "--web", address)
    try:
        await_that("the page is served", lambda: any(line["event"] == "page" for line in trial.logged("up")))
        await_that("every order has ended", lambda: trial.outcomes().total() >= ORDERS)
        with chromium() as browser, opened(browser, f"http://{address}/") as page:
            page.wait_for_function(f"document.querySelector('section:has(#running)').innerText.includes('{ORDERS}')")
            assert "no such record so far" in page.inner_text("body")
            page.evaluate("window.same = true")
            wrong_late(trial, ORDERS)
            button = page.get_by_role("button", name=f"order-{ORDERS}")
            button.wait_for()
            assert page.evaluate("window.same"), "the page was loaded anew"
            page.wait_for_function("document.querySelector('section:has(#fields)').innerText.includes('score')")
            button.click()
            page.wait_for_function(f"{MARKED} === 'score,customer.name'")
            pair = page.get_by_role("region", name="one pair").inner_text()
            assert HOSTILE in pair
            assert f"{trial.input}/{ORDERS % PARTITIONS}@{ORDERS // PARTITIONS}" in pair
            assert "amount" in pair, "the input is shown"
        client = AdminClient({"bootstrap.servers": kafka.bootstrap})
        listed = client.list_consumer_groups().result(30)
        groups = {one.group_id for one in listed.valid if one.group_id.startswith(f"shadow.{trial.name}.")}
        roles = {role: f"shadow.{trial.name}.{role}" for role in ("runner", "joiner", "web", "status", "pair")}
        assert {role for role, group in roles.items() if group in groups} == {"runner", "joiner"}
        stop(trial, up)
    finally:
        end(up)


@pytest.mark.long
def test_a_page_that_cannot_be_served_ends_no_role(kafka: Broker, tmp_path: Path) -> None:
    trial = Trial(kafka.bootstrap, f"taken-{uuid4().hex[:8]}", tmp_path, settings=UNBOUNDED)
    trial.create_topics()
    up = trial.start("up", "--web", kafka.bootstrap)  # the broker has that address
    try:
        failed = {"event": "failed", "role": "web", "others": "continue"}
        await_that("the page has failed", lambda: any(failed.items() <= line.items() for line in trial.logged("up")))
        trial.answered(ORDERS)
        trial.await_outcomes(Counter(match=ORDERS))
        stop(trial, up)
    finally:
        end(up)
