"""Receivers of the tests' own beside the webhook: a mail server, and a real Alertmanager where it is installed."""

import json
import shutil
import subprocess
import urllib.request
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from shadowstream.testing.ports import free_port
from tests.alerts.webhook import Webhook
from tests.pipeline.written_records import await_that

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


class Mailbox:
    """A mail server that keeps what it accepts."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    @property
    def url(self) -> str:
        """The address for apprise."""
        return f"mailto://127.0.0.1:{self._controller.port}?mode=insecure&from=trial@example.org&to=oncall@example.org"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["subject"]) for mail in self.mails]

    def texts(self) -> list[str]:
        """The plain text of each mail."""
        parts = [next(part for part in mail.walk() if part.get_content_type() == "text/plain") for mail in self.mails]
        return [bytes(part.get_payload(decode=True)).decode() for part in parts]  # type: ignore[arg-type]  # bytes here

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.mails.append(message_from_bytes(envelope.content or b""))  # type: ignore[arg-type]  # bytes here
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._controller.stop()


class Alertmanager:
    """A real Alertmanager; `notified` is the webhook that it notifies."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.notified = folder, free_port(), Webhook(keyed=False)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it holds now."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return found

    def _answers(self) -> bool:
        try:
            return self.alerts() == []
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.folder.mkdir()
        route = {"receiver": "hook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        hook = {"name": "hook", "webhook_configs": [{"url": self.notified.url, "send_resolved": True}]}
        path = self.folder / "alertmanager.yml"
        path.write_text(yaml.safe_dump({"route": route | {"repeat_interval": "4h"}, "receivers": [hook]}))
        flags = [f"--config.file={path}", f"--storage.path={self.folder}", "--cluster.listen-address="]
        flags += [f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"]
        self.notified.up()
        assert ALERTMANAGER is not None
        self._process = subprocess.Popen([ALERTMANAGER, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_that("the Alertmanager answers", self._answers)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
        self.notified.down()
