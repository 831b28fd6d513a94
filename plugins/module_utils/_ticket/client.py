# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the ticket of a rollback, or opens it."""

from __future__ import annotations

from .._http.client import Answer, Http, HttpFault, Request, shown
from .._module import RollbackError
from . import plan
from .plan import Ticket

UNKNOWN = (404, 410)


def find(ticket: Ticket, http: Http) -> str:
    """Where the ticket of this rollback is; empty if there is none yet."""
    questions = plan.searches(ticket)
    for place, question in enumerate(questions):
        answer = _send(http, question)
        if answer.status in UNKNOWN and place + 1 < len(questions):
            continue
        return plan.link(ticket, _good(ticket, question, answer))
    return ""


def create(ticket: Ticket, http: Http) -> str:
    """Open it; where it is."""
    request = plan.creation(ticket)
    return plan.link(ticket, _good(ticket, request, _send(http, request)))


def _send(http: Http, request: Request) -> Answer:
    try:
        return http.send(request)
    except HttpFault as fault:
        raise RollbackError(f"no ticket: {fault.message}") from None


def _good(ticket: Ticket, request: Request, answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    # The address of a webhook may be a secret as a whole; its host is none.
    where = "/".join(request.url.split("/")[:3]) if ticket.system == "webhook" else shown(request.url)
    advice = "; see whether the token may open issues there" if answer.status in (401, 403, 404) else ""
    raise RollbackError(f"no ticket: {where} answered {answer.status}: {answer.text[:200]}{advice}")
