# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices to real sinks: who got what, and what a dead channel does to the others."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._notice import client
from ansible_collections.octalume.rollback.plugins.module_utils._notice.model import Mail, Notice
from ansible_collections.octalume.rollback.plugins.modules import notice

from tests.integration.http.wire import Called, call
from tests.sandbox.process import free_port
from tests.sandbox.sinks import SmtpSink, WebhookSink
from tests.sandbox.vault.tls import Authority

SUBJECT = "[ROLLBACK] shop rolled back from 1.4.2 to 1.4.1"
BODY = """Team,

We have initiated a rollback of shop from version 1.4.2 to 1.4.1.

Reason: Fehlerrate über 10 %
"""


@pytest.fixture(scope="module")
def smtp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpSink]:
    """A mail server that asks for nothing."""
    sink = SmtpSink(tmp_path_factory.mktemp("smtp"))
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookSink]:
    """A receiver of webhooks."""
    sink = WebhookSink(tmp_path_factory.mktemp("hooks"))
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(autouse=True)
def _empty(smtp: SmtpSink, hooks: WebhookSink) -> None:
    smtp.clear()
    hooks.clear()


def email(port: int, **options: Any) -> dict[str, Any]:
    base = {
        "type": "email",
        "host": "127.0.0.1",
        "port": port,
        "sender": "rollback@example.com",
        "to": ["a@example.com"],
    }
    return {**base, **options}


def tell(*channels: dict[str, Any], check_mode: bool = False, **options: Any) -> Called:
    given = {"id": "shop-1.4.2", "event": "started", "subject": SUBJECT, "body": BODY, "timeout": 3, **options}
    return call(notice, check_mode=check_mode, diff=check_mode, channels=list(channels), **given)


def test_a_rollback_that_fails_for_another_reason_is_told_again(hooks: WebhookSink) -> None:
    channel = {"type": "webhook", "url": f"{hooks.url}/any"}
    sent: list[str] = []
    told = []
    for reason in ("no space left", "no space left", "the schema differs", "no space left"):
        result = tell(channel, event="failed", reason=reason, sent=sent)
        sent = result["sent"]
        told.append(result["changed"])
    assert told == [True, False, True, False]


def test_everybody_gets_the_notice_once(smtp: SmtpSink, hooks: WebhookSink) -> None:
    channels = (
        email(smtp.port, cc=["b@example.com"]),
        {"type": "slack", "url": f"{hooks.url}/slack"},
        {"type": "teams", "url": f"{hooks.url}/teams"},
        {"type": "pagerduty", "url": f"{hooks.url}/pagerduty", "key": "r0uting"},
        {"type": "webhook", "url": f"{hooks.url}/any"},
    )
    first = tell(*channels)
    again = tell(*channels, sent=first["sent"])
    assert (first["verdict"], first["changed"], again["verdict"], again["changed"]) == ("pass", True, "pass", False)
    (message,) = smtp.messages()
    assert (message["Subject"], message.get_content().replace("\r\n", "\n")) == (SUBJECT, BODY)
    assert message["X-Envelope-To"] == "a@example.com, b@example.com"
    assert sorted(request["path"] for request in hooks.messages()) == ["/any", "/pagerduty", "/slack", "/teams"]
    assert first["sent"] == again["sent"] == [f"shop-1.4.2:started@{channel['type']}" for channel in channels]


def test_a_resumed_rollback_tells_only_those_who_do_not_know(smtp: SmtpSink, hooks: WebhookSink) -> None:
    down = {"type": "webhook", "url": f"{hooks.url}/status/503"}
    up = {"type": "webhook", "url": f"{hooks.url}/up"}
    first = tell(email(smtp.port), down)
    second = tell(email(smtp.port), up, sent=first["sent"])
    assert [delivery["verdict"] for delivery in first["deliveries"]] == ["pass", "fail"]
    assert [delivery["sent"] for delivery in second["deliveries"]] == [False, True]
    assert len(smtp.messages()) == 1


def test_dead_channels_delay_nothing_and_are_reported(smtp: SmtpSink, hooks: WebhookSink) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # accepts connections and says nothing
    dead = [
        email(silent.getsockname()[1], name="silent mail", timeout=0.5),
        email(free_port(), name="no mail"),
        {"type": "webhook", "name": "hanging hook", "url": f"{hooks.url}/hang", "timeout": 0.5},
        {"type": "webhook", "name": "no hook", "url": f"http://127.0.0.1:{free_port()}/s3cret-path"},
        {"type": "webhook", "name": "unknown hook", "url": "https://hooks.invalid/s3cret-path"},
        email(25, name="unknown mail", host="mail.invalid"),
    ]
    started = time.monotonic()
    with silent:
        result = tell(*dead, email(smtp.port))
    assert time.monotonic() - started < 2.5
    verdicts = {delivery["channel"]: delivery["verdict"] for delivery in result["deliveries"]}
    assert verdicts.pop("email") == "pass"
    assert verdicts.pop("unknown hook") == verdicts.pop("unknown mail") == "error"
    assert set(verdicts.values()) == {"fail"}
    assert len(smtp.messages()) == 1
    assert result["sent"] == ["shop-1.4.2:started@email"]
    assert "s3cret-path" not in str(result.result)


def test_a_mail_server_that_drags_on_is_cut_off() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drag() -> None:
        connection, _unused = server.accept()
        with connection:
            connection.sendall(b"220-slow\r\n")
            while not ended.wait(0.1):
                try:
                    connection.sendall(b"220-still here\r\n")
                except OSError:
                    return

    thread = threading.Thread(target=drag, daemon=True)
    thread.start()
    started = time.monotonic()
    with server:
        result = tell(email(server.getsockname()[1], timeout=0.5))
        ended.set()
        thread.join(5)
    assert time.monotonic() - started < 4
    assert result["verdict"] == "fail"
    assert "not done within 0.5 s" in result["deliveries"][0]["message"]


def test_the_task_fails_only_where_asked_to(smtp: SmtpSink) -> None:
    dead = email(free_port(), name="dead")
    assert tell(dead)["verdict"] == "fail"
    with pytest.raises(RollbackError, match=r"1 of 2 channels did not take the notice. dead: ") as caught:
        tell(dead, email(smtp.port), fail_task=True)
    assert caught.value.details["sent"] == ["shop-1.4.2:started@email"]


def test_check_mode_tells_what_would_be_sent_and_sends_nothing(smtp: SmtpSink) -> None:
    result = tell(email(smtp.port), check_mode=True)
    assert (result["changed"], result["verdict"], result["sent"]) == (True, "inconclusive", [])
    assert result["diff"]["after"] == f"Subject: {SUBJECT}\n\n{BODY}\n"
    assert not tell(email(smtp.port), check_mode=True, sent=["shop-1.4.2:started@email"])["changed"]
    assert smtp.messages() == []


def test_nobody_to_tell_is_fine() -> None:
    assert tell().result == {"changed": False, "verdict": "pass", "deliveries": [], "sent": []}


def test_login_and_starttls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    sink = SmtpSink(tmp_path / "mail", login="rollback:hunter22", certificate=authority.issue("mail"))
    sink.start()
    login = {"username": "rollback", "password": "hunter22", "ca_path": str(authority.path)}
    try:
        good = tell(email(sink.port, secure="starttls", **login))
        tried = tell(email(sink.port, secure="try", **login))
        wrong = tell(email(sink.port, secure="starttls", **{**login, "password": "hunter23"}))
        unknown = tell(email(sink.port, secure="starttls", **{**login, "ca_path": None}))
        bare = tell(email(sink.port, secure="never", username="rollback", password="hunter22"))
    finally:
        sink.stop()
    assert [one["verdict"] for one in (good, tried, wrong, unknown, bare)] == ["pass", "pass", "fail", "error", "fail"]
    assert "refused the login" in wrong["deliveries"][0]["message"]
    assert "TLS failed" in unknown["deliveries"][0]["message"]
    assert len(sink.messages()) == 2
    assert "hunter22" in good.secrets


def test_a_password_is_not_sent_to_a_server_without_tls(smtp: SmtpSink) -> None:
    result = tell(email(smtp.port, username="rollback", password="hunter22"))
    assert result["verdict"] == "fail"
    assert "offers no TLS" in result["deliveries"][0]["message"]


def test_files_are_attached_and_a_missing_one_is_told(smtp: SmtpSink, tmp_path: Path) -> None:
    report = tmp_path / "incident.html"
    report.write_text("<p>what happened</p>")
    result = tell(
        email(smtp.port, attachments=[str(report)]), email(smtp.port, name="b", attachments=["/no/such/file"])
    )
    assert [delivery["verdict"] for delivery in result["deliveries"]] == ["pass", "error"]
    (message,) = smtp.messages()
    assert [part.get_filename() for part in message.iter_attachments()] == ["incident.html"]


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name that is not the machine's own, and yet leads there."""
    real, name = socket.getaddrinfo, "mail.example.com"
    here = {name: "127.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real(here.get(host, host), *rest, **more))
    return name


def test_a_mail_that_goes_out_without_tls_is_told(smtp: SmtpSink, far: str) -> None:
    told = tell(email(smtp.port, host=far))
    assert told["verdict"] == "pass"
    assert told.warnings == [
        f"NOT SECURE: {far}:{smtp.port} offers no TLS, so the notice went there unencrypted; "
        "secure: starttls refuses that"
    ]
    assert tell(email(smtp.port)).warnings == []
    assert tell(email(smtp.port, host=far, secure="never")).warnings == []


def test_a_password_that_goes_unencrypted_is_told(smtp: SmtpSink, far: str) -> None:
    told = tell(email(smtp.port, host=far, secure="never", username="rollback", password="hunter22"))
    assert told.warnings == [
        f"NOT SECURE: {far}:{smtp.port}: the password goes there unencrypted, as secure: never says"
    ]


def test_a_mail_that_starttls_encrypts_is_not_warned_of(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    sink = SmtpSink(tmp_path / "mail", login="rollback:hunter22", certificate=authority.issue("mail"))
    sink.start()
    login = {"username": "rollback", "password": "hunter22", "ca_path": str(authority.path)}
    way = Mail("localhost", sink.port, "rollback@example.com", ("a@example.com",), **login)
    try:
        encrypted = client._mail(Notice("shop-1.4.2", "started", SUBJECT, BODY), way, 3)[1]
    finally:
        sink.stop()
    assert encrypted is True


def test_a_hook_over_plain_http_is_told() -> None:
    told = tell({"type": "slack", "url": "http://chat.example.invalid/services/T0/B0/s3cret"})
    assert [text for text in told.warnings if "chat.example.invalid: the notice and its address" in text]
    assert not [text for text in told.warnings if "s3cret" in text]
