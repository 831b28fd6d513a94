# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that tell people: the template's notice word for word, the report after success, failure and a crash."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import icalendar
import pytest
import yaml

from tests.sandbox.process import free_port
from tests.sandbox.sinks import SmtpSink, WebhookSink
from tests.unit.plugins.module_utils._document.data import MANIFEST

ROOT = Path(__file__).resolve().parents[3]
# The notification template of the rollback plan, word for word.
TEMPLATE = """Team,

We have initiated a rollback of {Service} from version {X.Y.Z} to {X.Y.Z-1}.

Reason: {Brief description of issue}

Timeline:
- Issue detected: {Detected}
- Rollback started: {Started}
- Rollback completed: {Completed}

Impact:
- {Description of user impact}

Next Steps:
- {Action item 1}
- {Action item 2}

Post-mortem scheduled for: {Date/Time}

Please contact {name} for questions.
"""
PLAY = """
- hosts: all
  gather_facts: false
  module_defaults:
    group/octalume.rollback.record:
      directory: "{{ store }}"
      release: 1.4.2
      environment: "{{ inventory_hostname }}"
    group/octalume.rollback.prometheus: {url: "{{ prometheus }}"}
  tasks:
    - octalume.rollback.rollback_record:
        state: open
        header: "{{ plan_release.manifest }}"
        decision: "{{ decision }}"
      register: checklist_record
    - ansible.builtin.include_role: {name: octalume.rollback.communication}
      vars: {communication_event: started}
    - ansible.builtin.meta: end_play
      when: outcome == 'crashed'
    - octalume.rollback.rollback_record:
        state: "{{ 'failed' if outcome == 'failed' else 'noted' }}"
        facts: {failure: "{{ 'Migrate down: the table is locked' if outcome == 'failed' else none }}"}
      register: checklist_record
    - ansible.builtin.include_role: {name: octalume.rollback.communication, public: true}
      vars: {communication_event: "{{ outcome }}"}
    - octalume.rollback.rollback_record:
        state: "{{ 'failed' if outcome == 'failed' else 'completed' }}"
      register: checklist_record
    - ansible.builtin.include_role: {name: octalume.rollback.follow_up}
"""


@dataclass
class Team:
    """People with a mailbox and a chat, and what the inventory says of them."""

    home: Path
    mail: SmtpSink
    chat: WebhookSink
    values: dict[str, Any]

    def play(self, outcome: str, **more: Any) -> str:
        """One rollback that ends so."""
        (self.home / "values.json").write_text(json.dumps({**self.values, "outcome": outcome, **more}))
        (self.home / "play.yml").write_text(PLAY)
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("ansible-playbook"), "-i", "eu-west,", "-c", "local"),
                *("-e", f"@{self.home / 'values.json'}", self.home / "play.yml"),
            ],
            cwd=self.home,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def notices(self) -> list[tuple[str, str]]:
        """Subjects and bodies; both channels got the same."""
        told = [mail for mail in self.mail.messages() if mail["X-Rollback-Event"] != "invited"]
        mails = [(str(mail["Subject"]), mail.get_content().replace("\r\n", "\n")) for mail in told]
        posts = [
            (post["body"]["subject"], post["body"]["body"])
            for post in self.chat.messages()
            if post["path"] == "/rollback"
        ]
        assert mails == posts
        return mails

    def record(self) -> dict[str, Any]:
        """The only run record."""
        [file] = (self.home / "records").glob("rollback-*.json")
        return dict(json.loads(file.read_text()))

    def report(self) -> str:
        """The only report."""
        [file] = (self.home / "evidence").rglob("incident-report.md")
        return file.read_text()


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmtpSink, WebhookSink]]:
    """A mail server and a receiver of webhooks."""
    both = SmtpSink(tmp_path_factory.mktemp("smtp")), WebhookSink(tmp_path_factory.mktemp("hooks"))
    for sink in both:
        sink.start()
    yield both
    for sink in both:
        sink.stop()


@pytest.fixture
def team(tmp_path: Path, sinks: tuple[SmtpSink, WebhookSink]) -> Team:
    """The team, with nothing received yet, and a Prometheus that is away."""
    mail, chat = sinks
    mail.clear()
    chat.clear()
    channels = [
        {"name": "team", "type": "email", "port": mail.port, "sender": "r@example.test", "to": ["team@example.test"]},
        {"name": "chat", "type": "webhook", "url": f"{chat.url}/rollback"},
    ]
    contacts = [
        {"role": "DBA", "name": "Ann Lee", "phone": "+00 2", "availability": "24/7"},
        {"role": "Escalation", "name": "Rae Novak", "phone": "+00 4", "availability": "Critical only"},
    ]
    values = {
        "plan_release": {"manifest": MANIFEST},
        "plan_left": {"strategy": "quiesce"},
        "decision": {
            "kind": "automatic",
            "reason": "Error Rate: 30 % now",
            "detected_at": "2026-11-23T19:23:15.132Z",
            "makers": [],
            "evidence": [],
        },
        "store": str(tmp_path / "records"),
        "prometheus": f"http://127.0.0.1:{free_port()}",
        "decision_triggers": [{"name": "Error Rate", "query": "errors", "fail_if": "> 10%", "for": "5m"}],
        "communication_channels": channels,
        "communication_contacts": contacts,
        "follow_up_directory": str(tmp_path / "evidence"),
        "follow_up_organizer": "sre@example.test",
    }
    return Team(tmp_path, mail, chat, values)


def filled(record: dict[str, Any], completed: str) -> str:
    """The template with what is known filled in."""
    values = {
        "Service": "shop in eu-west",
        "X.Y.Z": "1.4.2",
        "X.Y.Z-1": "1.4.1",
        "Brief description of issue": "Error Rate: 30 % now",
        "Detected": "2026-11-23 19:23:15 UTC",
        "Started": f"{record['opened_at'][:19].replace('T', ' ')} UTC",
        "Completed": completed,
        "Description of user impact": "Requests will be kept away while the schema changes",
        "Action item 1": "Read the incident report",
        "Action item 2": "Find the root cause, and fix it before the next release",
        "name": "Dana Okafor (DevOps Lead)",
    }
    text = TEMPLATE
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def comparable(text: str) -> str:
    """Without the two times that the clock decides."""
    text = re.sub(r"(completed|scheduled for): \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", r"\1: TIME", text)
    return text.replace("{Date/Time}", "TIME")


def assert_history_counts_once(tmp_path: Path) -> None:
    """A record that two environments see counts once."""
    inventory = {
        "all": {
            "hosts": {"eu-west": None, "us-east": None},
            "vars": {
                "ansible_connection": "local",
                "kubernetes_connection": {},
                "rollback_record_store": {"directory": str(tmp_path / "records")},
                "follow_up_directory": str(tmp_path / "evidence"),
            },
        }
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", tmp_path / "hosts.yml", "playbooks/report.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rollbacks, 0 drills, 0 failed." in done.stdout
    assert {path.suffix for path in (tmp_path / "evidence").glob("history.*")} == {".md", ".html", ".csv"}


def assert_everybody_reads_the_same(team: Team, told: list[tuple[str, str]]) -> None:
    """Each kind of channel got each notice once, with the template's words."""
    posts: dict[str, list[Any]] = {}
    for post in team.chat.messages():
        posts.setdefault(post["path"].rpartition("/")[2], []).append(post["body"])
    read = {
        "slack": lambda body: [block["text"]["text"] for block in body["blocks"]],
        "teams": lambda body: [line["text"] for line in body["attachments"][0]["content"]["body"]],
        "pagerduty": lambda body: [body["payload"]["summary"], body["payload"]["custom_details"]["body"]],
    }
    for kind, texts in read.items():
        found = [texts(body) for body in posts[kind]]
        lines = [[subject, *body.splitlines()] for subject, body in told]
        assert found == (lines if kind == "teams" else list(map(list, told))), kind
    assert [body["event_action"] for body in posts["pagerduty"]] == ["trigger", "resolve"]


def test_a_success_is_told_in_the_templates_words(team: Team) -> None:
    others = [
        {"type": kind, "url": f"{team.chat.url}/{kind}", **({"key": "r0uting"} if kind == "pagerduty" else {})}
        for kind in ("slack", "teams", "pagerduty")
    ]
    team.play("completed", communication_channels=[*team.values["communication_channels"], *others])
    started, completed = team.notices()
    assert_everybody_reads_the_same(team, [started, completed])
    assert started[0] == "[ROLLBACK] shop is being rolled back from 1.4.2 to 1.4.1"
    assert completed[0] == "[ROLLBACK] shop rolled back from 1.4.2 to 1.4.1"
    record = team.record()
    assert comparable(started[1]) == comparable(filled(record, "not yet")).replace("scheduled for: {Date", "scheduled")
    assert comparable(completed[1]) == comparable(filled(record, "2026-11-23 00:00:00 UTC"))
    assert sorted(record["notices"]) == sorted(
        f"{record['id']}:{event}@{name}"
        for event in ("started", "completed")
        for name in ("team", "chat", "slack", "teams", "pagerduty")
    )
    report = team.report()
    assert "shop 1.4.2 rolled back" in report
    assert "| completed | chat | sent |" in report
    assert "**ATTENTION**: Trigger: Error Rate: no data:" in report, "a Prometheus that is away costs plots alone"
    assert list((team.home / "evidence").rglob("post-mortem.ics"))
    assert_history_counts_once(team.home)


def test_a_failure_names_who_can_be_called_now(team: Team) -> None:
    desk = {"system": "webhook", "url": f"{team.chat.url}/desk"}
    away = {"system": "gitlab", "url": f"http://127.0.0.1:{free_port()}", "project": "shop"}
    pager = {"name": "pager", "type": "pagerduty", "key": "r0uting", "url": f"http://127.0.0.1:{free_port()}"}
    channels = [*team.values["communication_channels"], pager]
    team.play("failed", follow_up_tickets=[desk, away], communication_channels=channels)
    assert "| failed | pager | **NOT TAKEN**: " in team.report()
    assert "| started | pager | **NOT TAKEN**: " in team.report()
    [ticket] = [json.loads(file.read_text()) for file in team.chat.files() if "/desk" in file.read_text()]
    assert "**WHAT FAILED**: Migrate down: the table is locked" in ticket["body"]["body"]
    assert "- [ ] **ATTENTION** Create tickets for fixes: sent, no ticket: " in team.report()
    _unused, (subject, body) = team.notices()
    assert subject == "[ROLLBACK] shop could not be rolled back from 1.4.2 to 1.4.1"
    assert "has FAILED and needs a person now.\n\nWhat failed: Migrate down: the table is locked\n" in body
    assert "Rollback completed: not yet" in body
    assert (
        "- Ann Lee (DBA), +00 2 (24/7, available now)\n- Rae Novak (Escalation), +00 4 (Critical only, available now)"
        in body
    )
    report = team.report()
    assert "**WHAT FAILED**: Migrate down: the table is locked" in report
    assert "**To call:** Ann Lee (DBA), +00 2; Rae Novak (Escalation), +00 4" in report


def test_a_crashed_run_is_told_by_the_one_that_follows_and_nothing_twice(team: Team) -> None:
    team.play("crashed")
    assert len(team.notices()) == 1
    assert not (team.home / "evidence").exists()
    opened = team.record()
    variables = team.home / "rollback.yml"
    variables.write_text("application_timeout: 300\n")
    guests = ["ann@example.test", "bo@example.test"]
    team.play(
        "completed",
        decision={},
        application_timeout=900,
        follow_up_attendees=guests,
        follow_up_procedure=str(variables),
    )
    [invitation] = [mail for mail in team.mail.messages() if mail["X-Rollback-Event"] == "invited"]
    assert invitation["To"] == ", ".join(guests)
    attached = {part.get_filename(): part for part in invitation.iter_attachments()}
    assert set(attached) == {"post-mortem.ics", "incident-report.html"}
    assert attached["post-mortem.ics"].get_content_type() == "text/calendar"
    calendar = attached["post-mortem.ics"].get_content()
    [event] = icalendar.Calendar.from_ical(calendar).walk("VEVENT")
    assert [str(guest) for guest in event["attendee"]] == [f"mailto:{guest}" for guest in guests]
    [patch] = (team.home / "evidence").rglob("procedure.patch")
    assert (
        "-application_timeout: 300\n+# Had to be given on the command line.\n+application_timeout: 900"
        in patch.read_text()
    )
    assert [subject for subject, _unused in team.notices()] == [
        "[ROLLBACK] shop is being rolled back from 1.4.2 to 1.4.1",
        "[ROLLBACK] shop rolled back from 1.4.2 to 1.4.1",
    ]
    assert team.record()["opened_at"] == opened["opened_at"]
    assert "Error Rate: 30 % now" in team.report(), "the first decision stands"


def test_own_words_and_times_are_used(team: Team) -> None:
    team.play(
        "completed",
        plan_left={"strategy": "rolling"},
        communication_subject="{{ plan_release.manifest.service }} war kaputt",
        communication_post_mortem="to be scheduled",
    )
    notices = team.notices()
    assert {subject for subject, _unused in notices} == {"shop war kaputt"}
    assert all(
        "Impact:\n- None by the rollback itself" in body and "scheduled for: to be scheduled" in body
        for _unused, body in notices
    )
    assert not list((team.home / "evidence").rglob("*.ics"))
