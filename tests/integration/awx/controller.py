# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of AWX's API as its Ansible modules use: objects, what belongs to what, surveys, the nodes of workflows."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlparse

Json = dict[str, Any]
TYPES = {
    "organizations": "organization",
    "credential_types": "credential_type",
    "credentials": "credential",
    "execution_environments": "execution_environment",
    "projects": "project",
    "inventories": "inventory",
    "inventory_sources": "inventory_source",
    "notification_templates": "notification_template",
    "job_templates": "job_template",
    "workflow_job_templates": "workflow_job_template",
    "workflow_job_template_nodes": "workflow_job_template_node",
    "workflow_approval_templates": "workflow_approval_template",
    "schedules": "schedule",
}
NAMES = {"workflow_job_template_nodes": "identifier"}
# Fields that name another object -> where that object has to be.
REFERENCES = {
    "organization": "organizations",
    "project": "projects",
    "source_project": "projects",
    "inventory": "inventories",
    "credential_type": "credential_types",
    "workflow_job_template": "workflow_job_templates",
}
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "workflow_approval_templates")
QUESTION = {"question_name", "variable", "type", "required"}


class Refused(Exception):
    """A 400 with what is wrong."""


class Controller:
    """An AWX with one organization; ``with Controller(playbooks) as awx: awx.url``."""

    def __init__(self, playbooks: frozenset[str], token: str) -> None:
        """``playbooks``: those of the project, as a project update would find them."""
        self.playbooks, self.token = playbooks, token
        self.objects: dict[str, dict[int, Json]] = {kind: {} for kind in TYPES}
        self.surveys: dict[str, Json] = {}
        self.links: dict[str, list[int]] = {}
        self.written: list[tuple[str, str]] = []
        self.last = 0
        self.lock = threading.Lock()
        self.create("organizations", {"name": "Default"})
        handler = type("Handler", (_Handler,), {"controller": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Controller:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def named(self, kind: str) -> dict[str, Json]:
        """The objects of a kind by their names."""
        return {item[NAMES.get(kind, "name")]: item for item in self.objects[kind].values()}

    def linked(self, item: Json, relation: str) -> list[int]:
        """Ids of what is associated with an object."""
        return self.links.get(f"{item['url']}{relation}/", [])

    def create(self, kind: str, body: Json) -> Json:
        """A new object."""
        self.check(kind, body)
        self.last += 1
        url = f"/api/v2/{kind}/{self.last}/"
        related = {"survey_spec": f"{url}survey_spec/", "update": f"{url}update/"}
        item: Json = {
            "id": self.last,
            "type": TYPES[kind],
            "url": url,
            "related": related,
            "summary_fields": {},
            **body,
        }
        if kind == "projects":
            item["scm_revision"] = ""
        self.objects[kind][self.last] = item
        return item

    def check(self, kind: str, body: Mapping[str, Any]) -> None:
        """What AWX looks at before it takes an object."""
        for field, where in REFERENCES.items():
            if body.get(field) and int(body[field]) not in self.objects[where]:
                raise Refused(f"{field}: Invalid pk {body[field]!r} - object does not exist.")
        if kind == "job_templates" and body.get("playbook") not in {None, *self.playbooks}:
            raise Refused(f"playbook: Playbook not found for project: {body['playbook']}")
        if kind == "schedules" and "DTSTART" not in body.get("rrule", "DTSTART"):
            raise Refused("rrule: Valid DTSTART required in rrule.")

    def survey(self, url: str, spec: Json) -> None:
        """Take a survey, as strictly as AWX does."""
        if not {"name", "description", "spec"} <= set(spec) or not spec["spec"]:
            raise Refused("'spec' doesn't contain any items.")
        for question in spec["spec"]:
            if not set(question) >= QUESTION:
                raise Refused(f"question without {sorted(QUESTION - set(question))}")
            if question["type"] == "multiplechoice" and not question.get("choices"):
                raise Refused("choices are wanted")
        self.surveys[url] = spec

    def answer(self, method: str, path: str, query: list[tuple[str, str]], body: Json) -> tuple[int, Any]:
        """Status and body for one request."""
        parts = path.removeprefix("/api/v2/").strip("/").split("/")
        if method != "GET":
            self.written.append((method, path))
        match parts:
            case ["unified_job_templates"]:
                return 200, listing([item for kind in UNIFIED for item in self.objects[kind].values()], query)
            case ["project_updates", _]:
                return 200, {"finished": "now", "failed": False, "status": "successful", "scm_revision": ""}
            case ["projects", _, "update"]:
                return 202, {"id": 1, "url": "/api/v2/project_updates/1/"}
            case [kind] if kind in TYPES:
                if method == "POST":
                    return 201, self.create(kind, body)
                return 200, listing(list(self.objects[kind].values()), query)
            case [kind, number] if kind in TYPES and int(number) in self.objects[kind]:
                item = self.objects[kind][int(number)]
                if method == "PATCH":
                    self.check(kind, body)
                    item.update({name: value for name, value in body.items() if kind != "workflow_approval_templates"})
                return 200, shown(item)
            case [_, _, "survey_spec"]:
                if method == "POST":
                    self.survey(path, body)
                return 200, self.surveys.get(path, {})
            case ["workflow_job_template_nodes", number, "create_approval_template"]:
                made = self.create("workflow_approval_templates", {"name": body["name"], "timeout": body["timeout"]})
                node = self.objects["workflow_job_template_nodes"][int(number)]
                node["unified_job_template"], node["related"]["unified_job_template"] = made["id"], made["url"]
                return 201, made
            case [_, _, _relation]:
                return self.associate(method, path, body)
        return 404, {"detail": "Not found."}

    def associate(self, method: str, path: str, body: Json) -> tuple[int, Any]:
        """What belongs to an object: list it, add to it, take from it."""
        known = self.links.setdefault(path, [])
        if method == "GET":
            return 200, listing([{"id": number} for number in known], [])
        if body.get("disassociate"):
            known.remove(body["id"])
        else:
            known.append(body["id"])
        return 204, None


def shown(item: Json) -> Json:
    """An object as it is told: what is secret in a credential is not."""
    if item["type"] != "credential":
        return item
    return {**item, "inputs": dict.fromkeys(item.get("inputs") or {}, "$encrypted$")}


def listing(items: list[Json], query: list[tuple[str, str]]) -> Json:
    """A page of those that match."""
    for name, wanted in query:
        if not name.startswith(("or__", "page")):
            # Every template but an approval is found under its own type.
            items = [item for item in items if str(item.get(name, "")) == wanted]
    return {
        "count": len(items),
        "next": None,
        "previous": None,
        "results": [shown(i) if "type" in i else i for i in items],
    }


class _Handler(BaseHTTPRequestHandler):
    controller: Controller
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        asked = urlparse(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        awx = self.controller
        with awx.lock:
            if self.headers.get("Authorization") != f"Bearer {awx.token}":
                status, told = 401, {"detail": "Authentication credentials were not provided."}
            else:
                try:
                    path = f"{asked.path.rstrip('/')}/"
                    status, told = awx.answer(self.command, path, parse_qsl(asked.query), body)
                except Refused as error:
                    status, told = 400, {"__all__": [str(error)]}
        data = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""
