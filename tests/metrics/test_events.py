"""Names of log events are stable: they are fixed words, and those of docs/events.md."""

import re

from tests.metrics import events

WORD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def test_each_event_is_a_fixed_word() -> None:
    found = events.all_events()
    assert found
    assert [event for event in found if event.name is None or not WORD.fullmatch(event.name)] == []


def test_an_event_that_is_made_up_as_it_goes_is_seen() -> None:
    text = 'log = get_logger("loop")\nlog.info(f"assigned {n}")\nlog.warning("lost", n=1)\nmath.log.info("x")\n'
    assert list(events.events_of(text, "loop.py")) == [
        (None, "loop", "info", "loop.py:2"),
        ("lost", "loop", "warning", "loop.py:3"),
    ]


def test_a_word_that_is_handed_on_is_seen_where_it_is_reported() -> None:
    text = (
        'log = get_logger("alerts")\n'
        "class Delivery:\n"
        "    def wait(self, event, attempt): log.warning(event, attempt=attempt)\n"
        "    def persist(self, call, failed): self.wait(failed, 1)\n"
        "    def run(self): self.wait('delivery_failed', 2); self.persist(call, 'write_failed'); self.wait(f'{x}', 3)\n"
    )
    assert {event.name for event in events.events_of(text, "alerts.py")} == {"delivery_failed", "write_failed", None}


def test_the_page_has_the_events_of_the_code() -> None:
    text = events.PAGE.read_text("utf-8")
    assert text == events.page(text), (
        "the names of events are for dashboards: a new one goes into the page (python -m tests.metrics.events), an old "
        "one keeps its name"
    )


def test_each_event_has_a_meaning_and_an_action_and_no_other_has() -> None:
    names = {event.name for event in events.all_events() if event.name is not None}
    notes = events.notes(events.PAGE.read_text("utf-8"))
    assert sorted(names - notes.keys()) == [], "write what it means and what to do"
    assert sorted(notes.keys() - names) == [], "no event of the code; was it renamed?"
    assert [name for name, note in notes.items() if not all(note)] == []
