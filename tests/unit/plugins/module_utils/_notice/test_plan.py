# SPDX-License-Identifier: GPL-3.0-or-later
"""What a notice looks like on each channel."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._notice.model import Channel, Hook, Mail, Notice
from ansible_collections.octalume.rollback.plugins.module_utils._notice.options import CHANNEL_OPTIONS, read_channels
from ansible_collections.octalume.rollback.plugins.module_utils._notice.plan import mail, request, unsent

NOTICE = Notice("shop-1.4.2", "started", "[ROLLBACK] shop", "Team,\n\nline <@everyone>\n", {"release": "1.4.2"})
MAIL = Mail("smtp", 25, "Rollback <rollback@example.com>", ("a@example.com", "b@example.com"), ("c@example.com",))


def payload(kind: str, notice: Notice = NOTICE) -> dict[str, Any]:
    """The JSON that a hook gets."""
    content = request(notice, Hook(kind, "https://example.com/x", key="k3y")).body
    assert content is not None
    found: dict[str, Any] = json.loads(content)
    return found


def test_an_e_mail_names_everybody_and_carries_the_text() -> None:
    message = mail(NOTICE, MAIL, {}, 0)
    assert (message["To"], message["Cc"]) == ("a@example.com, b@example.com", "c@example.com")
    assert (message["Subject"], message.get_content()) == ("[ROLLBACK] shop", NOTICE.body)
    assert message["Date"] == "Thu, 01 Jan 1970 00:00:00 -0000"


def test_a_repeated_e_mail_has_the_same_id_and_all_of_a_rollback_belong_together() -> None:
    other = Notice(NOTICE.id, "completed", "s", "b")
    first, again, later = (mail(notice, MAIL, {}, now) for notice, now in ((NOTICE, 0), (NOTICE, 99), (other, 99)))
    assert first["Message-ID"] == again["Message-ID"] != later["Message-ID"]
    assert first["References"] == later["References"]
    assert first["Message-ID"].endswith("@example.com>")


def test_line_breaks_in_a_subject_start_no_header() -> None:
    message = mail(Notice("i", "started", "x\r\nBcc: evil@example.com\n y", "b"), MAIL, {}, 0)
    assert message["Subject"] == "x Bcc: evil@example.com y"
    assert message["Bcc"] is None


def test_attachments_keep_name_and_type() -> None:
    message = mail(NOTICE, MAIL, {"/tmp/report.html": b"<p>", "/tmp/meeting.ics": b"BEGIN:VCALENDAR"}, 0)
    found = [(part.get_filename(), part.get_content_type()) for part in message.iter_attachments()]
    assert found == [("report.html", "text/html"), ("meeting.ics", "text/calendar")]


def test_a_webhook_gets_facts_and_a_signature_that_can_be_checked() -> None:
    sent = request(NOTICE, Hook("webhook", "https://example.com/x", {"X-Mine": "1"}, "k3y"))
    assert sent.body is not None
    assert sent.headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(b"k3y", sent.body, hashlib.sha256).hexdigest()
    assert sent.headers["X-Mine"] == "1"
    assert json.loads(sent.body) == {
        "id": "shop-1.4.2:started",
        "event": "started",
        "subject": "[ROLLBACK] shop",
        "body": NOTICE.body,
        "fields": {"release": "1.4.2"},
    }


def test_slack_gets_plain_text_that_mentions_nobody() -> None:
    sent = payload("slack", Notice("i", "failed", "<!channel> & co", "b" * 5000))
    assert sent["text"] == "&lt;!channel&gt; &amp; co"
    assert {block["text"]["type"] for block in sent["blocks"]} == {"plain_text"}
    assert len(sent["blocks"][1]["text"]["text"]) == 3000


def test_teams_gets_a_card_with_every_line() -> None:
    card = payload("teams")["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    assert [block["text"] for block in card["body"]] == ["[ROLLBACK] shop", "Team,", "", "line <@everyone>"]


@pytest.mark.parametrize(
    ("event", "action", "severity"),
    [("started", "trigger", "warning"), ("failed", "trigger", "critical"), ("completed", "resolve", "info")],
)
def test_pagerduty_opens_and_resolves_one_incident(event: str, action: str, severity: str) -> None:
    sent = payload("pagerduty", Notice("shop-1.4.2", event, "s" * 2000, "b"))
    assert (sent["routing_key"], sent["event_action"], sent["dedup_key"]) == ("k3y", action, "shop-1.4.2")
    assert sent["payload"]["severity"] == severity
    assert len(sent["payload"]["summary"]) == 1024


def test_what_was_sent_on_a_channel_is_not_sent_there_again() -> None:
    channels = [Channel(name, MAIL, 1) for name in ("a", "b")]
    assert unsent(NOTICE, channels, ["shop-1.4.2:started@a"]) == channels[1:]
    assert unsent(NOTICE, channels, ["shop-1.4.2:completed@a", "other:started@a"]) == channels


def test_what_was_told_to_have_failed_since_is_told_to_be_completed_again() -> None:
    done = replace(NOTICE, event="completed")
    channels = [Channel(name, MAIL, 1) for name in ("a", "b")]
    completed, failed = done.key, "shop-1.4.2:failed"
    sent = [f"{failed}@a", f"{completed}@a", f"{completed}@b", f"{failed}@a"]
    assert [one.name for one in unsent(done, channels, sent)] == ["a"]
    assert unsent(done, channels, [*sent[:1], *sent[2:], sent[1]]) == []


def entry(**options: Any) -> dict[str, Any]:
    return {name: option.get("default") for name, option in CHANNEL_OPTIONS.items()} | options


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ([entry(type="email", sender="a@b")], r"channels\[email\]: nobody"),
        ([entry(type="slack", url="slack")], r"channels\[slack\]\.url: not an absolute"),
        ([entry(type="slack", url="https://a/b")] * 2, "two are called slack"),
    ],
)
def test_channels_that_make_no_sense_are_refused(channels: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(RollbackError, match=says):
        read_channels(channels, 1)
