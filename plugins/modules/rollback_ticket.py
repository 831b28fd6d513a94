#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_ticket
version_added: 0.1.0
short_description: Open a ticket for what a rollback leaves to do
description:
  - Opens one issue in GitHub, GitLab or Jira, or posts it to a webhook, with the incident report as its text.
  - The issue has a label of its own, C(rollback-) and O(id). Where an issue with that label is found, none is opened.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.web
  - octalume.rollback.lock
attributes:
  diff_mode:
    support: none
    description: Nothing is changed but that an issue is opened.
  idempotent:
    support: partial
    description: A webhook is asked every time; the header C(Idempotency-Key) lets it tell.
options:
  system:
    description: The tracker.
    type: str
    choices: [github, gitlab, jira, webhook]
    required: true
  url:
    description:
      - Address of its API, for example V(https://gitlab.example.com) or V(https://example.atlassian.net). That of
        github.com where not given.
      - For V(webhook) the address to post to. It gets JSON with C(id), C(title), C(body) and C(labels).
    type: str
  project:
    description: Repository (C(owner/name)), path of a GitLab project, or key of a Jira project.
    type: str
  issue_type:
    description: Type of a Jira issue.
    type: str
    default: Task
  id:
    description: What the ticket is about, for example the name of the run record.
    type: str
    required: true
  title:
    description: Title.
    type: str
    required: true
  body:
    description: Text, in Markdown; cut where the tracker takes no more.
    type: str
    default: ""
  labels:
    description: More labels.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Open a ticket with the report
  octalume.rollback.rollback_ticket:
    system: github
    project: example/shop
    bearer_token: "{{ github_token }}"
    id: "{{ record.id }}"
    title: "Post-mortem: shop 1.4.2 was rolled back"
    body: "{{ lookup('ansible.builtin.file', report) }}"
    labels: [incident]
  register: ticket
"""

RETURN = r"""
link:
  description: Where the ticket is; empty in check mode, or if a webhook does not tell.
  returned: success
  type: str
  sample: https://github.com/example/shop/issues/17
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Connection, HttpClient, check_url
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import http_options, secret_headers
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK
from ansible_collections.octalume.rollback.plugins.module_utils._ticket import client
from ansible_collections.octalume.rollback.plugins.module_utils._ticket.plan import Ticket

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "system": {"type": "str", "choices": ["github", "gitlab", "jira", "webhook"], "required": True},
        "url": {"type": "str"},
        "project": {"type": "str"},
        "issue_type": {"type": "str", "default": "Task"},
        "id": {"type": "str", "required": True},
        "title": {"type": "str", "required": True},
        "body": {"type": "str", "default": ""},
        "labels": {"type": "list", "elements": "str", "default": []},
        **http_options(),
    },
    "required_if": [
        ("system", "github", ("project",)),
        ("system", "gitlab", ("project", "url")),
        ("system", "jira", ("project", "url")),
        ("system", "webhook", ("url",)),
    ],
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Find the ticket, else open it."""
    wanted = call.params
    call.secrets.update(secret_headers(wanted["headers"]))
    url = (wanted["url"] or "https://api.github.com").rstrip("/")
    if wanted["system"] == "webhook":
        call.secrets.add(url)
    check_url(url, "url")
    ticket = Ticket(
        system=wanted["system"],
        url=url,
        project=wanted["project"] or "",
        title=wanted["title"],
        body=wanted["body"],
        label=f"rollback-{wanted['id']}",
        labels=tuple(wanted["labels"]),
        kind=wanted["issue_type"],
    )
    http = HttpClient(Connection.from_params(wanted))
    found = client.find(ticket, http)
    if found or call.check_mode:
        return {"changed": not found, "link": found}
    call.fence()
    return {"changed": True, "link": client.create(ticket, http)}


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
