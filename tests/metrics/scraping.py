"""`/metrics`, `/healthz` and `/readyz` as another program sees them: over HTTP, read by the client's own parser."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from shadowstream.metrics import PREFIX
from tests.pipeline.written_records import await_that

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer of `/metrics`: its text, the type of each metric, and (name, labels) of each sample with its value.

    Names are without the prefix; other metrics than ours (of the process) are left out.
    """

    text: str
    types: dict[str, str] = field(default_factory=dict)
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Scrape:
        scrape = cls(text)
        for family in text_string_to_metric_families(text):
            if not family.name.startswith(PREFIX):
                continue
            scrape.types[family.name.removeprefix(PREFIX)] = family.type
            for sample in family.samples:
                scrape.samples.append((sample.name.removeprefix(PREFIX), dict(sample.labels), sample.value))
        return scrape

    def find(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """Samples of this name that have these labels, whatever others."""
        for sample, has, value in self.samples:
            if sample == name and labels.items() <= has.items():
                yield has, value

    def value(self, name: str, **labels: str) -> float:
        """The sum of those; fails where there is none."""
        found = [value for _, value in self.find(name, **labels)]
        assert found, f"no sample {name} {labels} in\n{self.text}"
        return sum(found)

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The sums of those by another label, zeros left out."""
        sums: dict[str, float] = {}
        for has, value in self.find(name, **labels):
            sums[has[label]] = sums.get(has[label], 0.0) + value
        return {key: value for key, value in sums.items() if value}


@dataclass(frozen=True, slots=True)
class Probed:
    """A role that listens on a port of the loopback."""

    port: int

    @property
    def listen(self) -> str:
        return f"127.0.0.1:{self.port}"

    def status(self, path: str) -> int | None:
        """The status of a path; None where nobody listens yet."""
        try:
            with urllib.request.urlopen(f"http://{self.listen}{path}", timeout=TIMEOUT_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            return None

    def scrape(self) -> Scrape:
        with urllib.request.urlopen(f"http://{self.listen}/metrics", timeout=TIMEOUT_S) as answer:
            return Scrape.of(answer.read().decode())

    def await_scrape(self, what: str, holds: Callable[[Scrape], bool]) -> Scrape:
        """The first scrape for which `holds`; before anybody listens nothing holds, nor while a sample is missing."""
        found: list[Scrape] = []

        def look() -> bool:
            try:
                found[:] = [self.scrape()]
                return holds(found[0])
            except (urllib.error.URLError, AssertionError):
                return False

        try:
            await_that(what, look)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{found[0].text if found else 'nobody listens'}") from None
        return found[0]
