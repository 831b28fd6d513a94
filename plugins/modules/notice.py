#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: notice
version_added: 0.1.0
short_description: Tell people about a rollback, once, on every channel
description:
  - Sends one notice by e-mail, to Slack, to Microsoft Teams, to PagerDuty and to any webhook, to all channels at the
    same time.
  - A channel that is down costs its own timeout, holds nobody else up, and is reported. The task does not fail for it
    unless O(fail_task) says so.
  - A notice that O(sent) lists for a channel is not sent there again, so a resumed rollback repeats only what did not
    arrive.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.lock
  - octalume.rollback.record
  - kubernetes.core.k8s_auth_options
attributes:
  check_mode:
    support: full
    description: Sends nothing and tells what would be sent where.
  diff_mode:
    support: full
    description: Shows the text of the notice where it is sent.
  idempotent:
    support: partial
    description: A second run sends again unless O(sent) holds what RV(sent) of the first run says.
options:
  id:
    description: What the notice is about, the same for all notices of one rollback, for example its run record.
    type: str
    required: true
  event:
    description: What happened to the rollback; V(invited) for the post-mortem.
    type: str
    choices: [started, completed, failed, aborted, invited]
    required: true
  reason:
    description:
      - What tells this notice from an earlier one of the same O(id) and O(event). A rollback that fails again for
        another reason is told again, and one that fails again for the same reason is not.
    type: str
  subject:
    description: Subject or heading; line breaks become spaces.
    type: str
    required: true
  body:
    description: Text of the notice, plain.
    type: str
    required: true
  fields:
    description: Facts for the machines behind V(webhook) and V(pagerduty) channels.
    type: dict
  channels:
    description: Where the notice goes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the channel, unique in the list; its type where not given.
        type: str
      type:
        description:
          - Kind of channel. V(webhook) posts JSON with the keys C(id), C(event), C(subject), C(body) and C(fields), and
            the header C(Idempotency-Key). V(slack) posts to an incoming webhook, V(teams) an adaptive card to a
            workflow's webhook, V(pagerduty) an event of the Events API v2, which C(completed) resolves.
        type: str
        choices: [email, webhook, slack, teams, pagerduty]
        required: true
      timeout:
        description: Seconds this channel may take, instead of O(timeout).
        type: float
      ca_path:
        description: PEM file with the authorities to trust on this channel.
        type: path
      url:
        description:
          - Address of the hook. Never shown, because with chat systems whoever knows it may write.
          - For V(pagerduty) that of its Events API where not given.
        type: str
      headers:
        description: More headers for the hook.
        type: dict
      key:
        description:
          - For V(pagerduty) the routing key of the service.
          - For V(webhook) a key that signs the body by HMAC with SHA-256, in the header C(X-Hub-Signature-256).
        type: str
      source:
        description: For V(pagerduty) the thing that is affected.
        type: str
        default: octalume.rollback
      host:
        description: For V(email) the mail server.
        type: str
        default: localhost
      port:
        description: For V(email) its port.
        type: int
        default: 25
      username:
        description: For V(email) the name to log in with.
        type: str
      password:
        description: For V(email) the password to log in with.
        type: str
      secure:
        description:
          - For V(email) how TLS is used. V(always) from the first byte, V(starttls) by STARTTLS or not at all,
            V(try) by STARTTLS where the server offers it, V(never) not.
          - With V(try) a password is not sent to a server that offers no TLS. The notice is, with a warning.
        type: str
        choices: [always, never, starttls, try]
        default: try
      sender:
        description: For V(email) the address it comes from.
        type: str
      to:
        description: For V(email) the addresses it goes to.
        type: list
        elements: str
        default: []
      cc:
        description: For V(email) the addresses that get a copy.
        type: list
        elements: str
        default: []
      attachments:
        description: For V(email) files to attach.
        type: list
        elements: path
        default: []
  sent:
    description: What has been sent already, as RV(sent) of earlier calls.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds a channel may take.
    type: float
    default: 10.0
  release:
    description:
      - Release whose open run record in O(namespace) or O(directory) remembers what was sent. What it knows is not sent
        again, and every delivery is written into it as soon as it is made.
    type: str
  environment:
    description: Environment of that run record.
    type: str
  fail_task:
    description: Whether the task fails when a channel did not take the notice. The others have got it all the same.
    type: bool
    default: false
requirements:
  - requests >= 2.31
"""

EXAMPLES = r"""
- name: Tell everybody that the rollback has started
  octalume.rollback.notice:
    id: shop-1.4.2-20261123T080000Z
    event: started
    subject: "[ROLLBACK] shop rolled back from 1.4.2 to 1.4.1"
    body: "{{ lookup('ansible.builtin.template', 'notice.txt.j2') }}"
    sent: "{{ notices_sent }}"
    channels:
      - type: email
        host: smtp.example.com
        port: 587
        secure: starttls
        username: rollback
        password: "{{ smtp_password }}"
        sender: Rollback <rollback@example.com>
        to: [team@example.com]
        cc: [product@example.com]
      - type: slack
        url: "{{ slack_webhook }}"
      - type: pagerduty
        key: "{{ pagerduty_routing_key }}"
        source: shop production
      - name: status page
        type: webhook
        url: https://status.example.com/hooks/rollback
        key: "{{ status_page_key }}"
  register: notice
"""

RETURN = r"""
verdict:
  description: The worst verdict of all channels, in the order C(fail), C(error), C(inconclusive), C(pass).
  returned: always
  type: str
  sample: pass
deliveries:
  description: One entry per channel, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    channel:
      description: Name of the channel.
      type: str
      sample: slack
    verdict:
      description:
        - C(pass), the channel has the notice; C(fail), it did not take it; C(error), it could not be asked;
          C(inconclusive), it would be sent, in check mode.
      type: str
      sample: pass
    message:
      description: What the channel said. The address of a hook is never shown, only its host.
      type: str
      sample: hooks.slack.com took it (status 200)
    sent:
      description: Whether the notice was sent there in this call.
      type: bool
      sample: true
sent:
  description: Everything sent so far, in this call and before; give it to the next call.
  returned: always
  type: list
  elements: str
  sample: ["shop-1.4.2-20261123T080000Z:started@slack"]
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http.options import secret_headers
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict, worst
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._notice.client import deliver
from ansible_collections.octalume.rollback.plugins.module_utils._notice.model import (
    EVENTS,
    FAILED,
    Channel,
    Delivery,
    Notice,
)
from ansible_collections.octalume.rollback.plugins.module_utils._notice.options import (
    CHANNEL_OPTIONS,
    CHANNEL_RELATIONS,
    read_channels,
)
from ansible_collections.octalume.rollback.plugins.module_utils._notice.plan import one_line, unsent
from ansible_collections.octalume.rollback.plugins.module_utils._release import record as journal
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK
from ansible_collections.octalume.rollback.plugins.module_utils._release.store import STORE_ARGUMENTS, open_store

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "id": {"type": "str", "required": True},
        "event": {"type": "str", "required": True, "choices": list(EVENTS)},
        "reason": {"type": "str"},
        "subject": {"type": "str", "required": True},
        "body": {"type": "str", "required": True},
        "fields": {"type": "dict"},
        "channels": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": CHANNEL_OPTIONS,
            **CHANNEL_RELATIONS,
        },
        "sent": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "float", "default": 10.0},
        "fail_task": {"type": "bool", "default": False},
        "release": {"type": "str"},
        "environment": {"type": "str"},
        **STORE_ARGUMENTS["options"],
        **AUTH_ARGUMENTS,
    },
    "mutually_exclusive": STORE_ARGUMENTS["mutually_exclusive"],
    "required_by": {"release": ["environment"]},
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Send the notice where it has not been sent yet."""
    params = call.params
    for entry in params["channels"]:
        call.secrets.update(secret_headers(entry["headers"]))
    said = (params[name] for name in ("id", "event", "subject", "body"))
    notice = Notice(*said, fields=params["fields"] or {}, reason=params["reason"] or "")
    channels = read_channels(params["channels"], params["timeout"])
    remembered = _remembered(call, notice)
    before = [*params["sent"], *(remembered or ())]
    wanted = unsent(notice, channels, before)
    made = [_planned(notice, channel) for channel in wanted]
    if not call.check_mode:
        made = _send(call, notice, wanted, alone=remembered is None)
    for delivery in made:
        if delivery.insecurity:
            call.warn(f"NOT SECURE: {delivery.insecurity}")
    by_channel = {delivery.channel: delivery for delivery in made}
    deliveries = [by_channel.get(channel.name) or _before(notice, channel) for channel in channels]
    left = [delivery.id for delivery in deliveries if delivery.sent]
    result: dict[str, Any] = {
        "changed": bool(left) or (call.check_mode and bool(wanted)),
        "verdict": worst(delivery.verdict for delivery in deliveries).value if deliveries else Verdict.PASS.value,
        "deliveries": [_result(delivery) for delivery in deliveries],
        "sent": [*dict.fromkeys(one for one in before if one not in left), *left],
    }
    if call.diff and result["changed"]:
        text = f"Subject: {one_line(notice.subject)}\n\n{notice.body}\n"
        result["diff"] = {"before": "", "after": text, "after_header": ", ".join(channel.name for channel in wanted)}
    missed = [delivery for delivery in deliveries if delivery.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if missed and params["fail_task"]:
        texts = "; ".join(f"{delivery.channel}: {delivery.message}" for delivery in missed)
        raise RollbackError(f"{len(missed)} of {len(channels)} channels did not take the notice. {texts}", **result)
    return result


def _remembered(call: Call, notice: Notice) -> tuple[str, ...] | None:
    """Notices that the run record knows, if there is one; None where it cannot be read, and people have to be told.

    What has failed may be the place of the record and of the lock itself.
    """
    if not call.params["release"]:
        return ()
    try:
        record = journal.current(call.params, open_store(call.params))
    except RollbackError as error:
        if notice.event != FAILED:
            raise
        call.warn(f"the run record cannot be read, so people may be told twice: {error.message}")
        return None
    return record.notices if record else ()


def _send(call: Call, notice: Notice, channels: list[Channel], *, alone: bool) -> list[Delivery]:
    """Send it; each delivery is in the run record before the next one can be: a crash repeats none.

    ``alone``: neither the record nor the lock can be asked.
    """

    def remember(delivery: Delivery) -> None:
        store = open_store(call.params, call.fence, call.warn)
        record = journal.current(call.params, store)
        if record:
            store.save(journal.remember(record, [delivery.id], {}))

    if alone:
        return deliver(notice, channels)
    if channels:
        call.fence()
    return deliver(notice, channels, remember) if call.params["release"] else deliver(notice, channels)


def _planned(notice: Notice, channel: Channel) -> Delivery:
    return Delivery(channel.name, channel.delivery(notice), Verdict.INCONCLUSIVE, "would be sent")


def _before(notice: Notice, channel: Channel) -> Delivery:
    return Delivery(channel.name, channel.delivery(notice), Verdict.PASS, "was sent before")


def _result(delivery: Delivery) -> dict[str, Any]:
    return {
        "channel": delivery.channel,
        "verdict": delivery.verdict.value,
        "message": delivery.message,
        "sent": delivery.sent,
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
