# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a rollback may start: a trigger has fired, or people who may judge a condition have judged it.

Whoever cannot wait for either breaks the glass, and answers for it by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .._module import RollbackError
from .damping import Objection
from .lock import Holder
from .record import timestamp


@dataclass(frozen=True)
class Maker:
    """A person in a role, as in ``Security Lead: Kim Reyes``."""

    role: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


def _person(name: str) -> str:
    """``name`` for comparison: the same person however it is written."""
    return " ".join(name.split()).casefold()


def parse_makers(text: str) -> list[Maker]:
    """Read ``Role: Name, Role: Name``; a name alone has no role, and so decides nothing."""
    makers = []
    for part in filter(None, (piece.strip() for piece in re.split(r"[,;]", text))):
        role, colon, name = (word.strip() for word in part.partition(":"))
        if not colon or not role or not name:
            raise RollbackError(
                f"decided_by: {part!r} has no role or no name; give both, as in -e 'decided_by=\"DBA: Ann Lee\"'"
            )
        makers.append(Maker(role, name))
    return makers


def by_trigger(triggers: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any] | None:
    """The decision that fired triggers make on their own, or None when none has fired.

    A trigger's ``held`` tells for how many seconds up to now its state has been bad.
    """
    fired = [trigger for trigger in triggers if trigger["verdict"] == "fail"]
    if not fired:
        return None
    return {
        "kind": "automatic",
        "reason": "; ".join(f"{trigger['name']}: {str(trigger['message']).rstrip('.')}" for trigger in fired),
        "detected_at": timestamp(now - timedelta(seconds=max(float(trigger.get("held", 0)) for trigger in fired))),
        "makers": [],
        "evidence": [dict(trigger) for trigger in triggers],
    }


def by_condition(
    condition: str, conditions: Mapping[str, Mapping[str, Any]], decided_by: str, requester: str, reason: str
) -> dict[str, Any]:
    """The decision of people: every role that the condition asks for has to be among the makers.

    Raises RollbackError naming what is still needed.
    """
    if condition not in conditions:
        known = "; ".join(f"{name} ({entry['text']})" for name, entry in conditions.items())
        raise RollbackError(f"condition {condition!r} is not one of: {known}")
    entry = conditions[condition]
    makers = parse_makers(decided_by)
    wanted = [str(role) for role in entry["makers"]]
    present = {maker.role.casefold(): maker for maker in makers}
    missing = [role for role in wanted if role.casefold() not in present]
    if missing:
        example = ", ".join(f"{role}: NAME" for role in wanted)
        raise RollbackError(
            f"{entry['text']}: this is for {' and '.join(wanted)} to decide, and {' and '.join(missing)} has not; "
            f"run again with -e 'decided_by=\"{example}\"'"
        )
    deciding = [present[role.casefold()] for role in wanted]
    _separate(str(entry["text"]), deciding, requester)
    return {
        "kind": "manual",
        "condition": condition,
        "reason": reason or str(entry["text"]),
        "makers": [str(maker) for maker in deciding],
        "requester": requester,
        "evidence": [],
    }


def _separate(text: str, deciding: Sequence[Maker], requester: str) -> None:
    """Refuse one person in two parts: where several decide, nobody decides twice or decides what they ask for."""
    names = [_person(maker.name) for maker in deciding]
    if len(set(names)) < len(names):
        raise RollbackError(f"{text}: {deciding[0].name} cannot decide in two roles; two people are wanted")
    if len(names) > 1 and not requester.strip():
        raise RollbackError(
            f"{text}: who asks for the rollback cannot be one of its deciders, so say who does: -e 'requester=\"NAME\"'"
        )
    if len(names) > 1 and _person(requester) in names:
        raise RollbackError(
            f"{text}: {requester} asks for the rollback and so cannot be one of its deciders; "
            "let somebody else ask (-e 'requester=\"NAME\"') or decide"
        )


def by_breaking_glass(decided_by: str, requester: str, caller: str, reason: str) -> dict[str, Any]:
    """The decision of somebody who overrides every rule; the reason is wanted, and goes wherever the decision goes."""
    if not reason.strip():
        raise RollbackError("break_glass overrides every rule, and so wants to know why: -e 'reason=\"...\"'")
    named = decided_by if ":" in decided_by else ""
    login = Holder.parse(caller)
    alone = decided_by.strip() or requester.strip() or f"{login.user}@{login.host}"
    makers = [str(maker) for maker in parse_makers(named)] or [alone]
    return {
        "kind": "break_glass",
        "reason": f"BREAK GLASS by {' and '.join(makers)}: {reason.strip()}",
        "makers": makers,
        "evidence": [],
    }


def weigh(decision: Mapping[str, Any], objections: Sequence[Objection], now: datetime) -> dict[str, Any]:
    """``decision`` with its time and the objections that its makers overrode; RollbackError when one of them stands.

    Triggers give way to every objection, people to the firm ones, and who breaks the glass to none.
    """
    standing = [one.text for one in objections if one.firm or decision["kind"] == "automatic"]
    if standing and decision["kind"] != "break_glass":
        people = "" if any(one.firm for one in objections) else "people may decide with -e condition=NAME; "
        raise RollbackError(
            f"nothing is rolled back for {str(decision['reason']).rstrip('.')}, because {'; '.join(standing)}. "
            f"To go on, {people}whoever answers for it may break the glass with "
            "-e break_glass=true -e 'reason=\"...\"'",
            objections=standing,
            decision=dict(decision),
        )
    return {**decision, "decided_at": timestamp(now), "overridden": [one.text for one in objections]}


def refuse(triggers: Sequence[Mapping[str, Any]], conditions: Mapping[str, Mapping[str, Any]]) -> RollbackError:
    """Why nothing starts: what each trigger said, and what a person would have to say."""
    said = "; ".join(f"{trigger['name']}: {trigger['verdict']}" for trigger in triggers) or "no triggers are defined"
    known = ", ".join(conditions)
    return RollbackError(
        f"no automatic trigger has fired ({said}) and no condition was given: nothing is rolled back. "
        f"A person decides with -e condition=NAME -e 'decided_by=\"ROLE: NAME\"'; conditions: {known}",
        triggers=[dict(trigger) for trigger in triggers],
    )
