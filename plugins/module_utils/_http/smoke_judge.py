# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the answer to a smoke test: pure decisions, no I/O. Bodies of good answers are never quoted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .client import OWN_FAULTS, Answer, Fault, HttpFault
from .jsonpath import JsonPath
from .smoke_model import SAFE_METHODS, HttpTest, JsonRule, Try, filled
from .verdict import Verdict

QUOTED = 160  # characters of a value or an error's body shown in a message
NOTHING_DONE = (429, 502, 503, 504)  # answers that tell that the request was not worked on


def judge_fault(test: HttpTest, fault: HttpFault) -> Try:
    """No answer: the service's failure, or an error of the machine that asks."""
    verdict = Verdict.ERROR if fault.kind in OWN_FAULTS else Verdict.FAIL
    return Try(verdict, fault.message, repeatable=test.method in SAFE_METHODS or fault.kind is Fault.REFUSED)


def judge(test: HttpTest, answer: Answer, values: Mapping[str, str]) -> Try:
    """Whether ``answer`` is what ``test`` expects; the first thing that is not is told."""
    repeatable = test.method in SAFE_METHODS or answer.status in NOTHING_DONE
    document = _document(answer)
    wrong = (
        _status(test, answer)
        or _headers(test, answer)
        or _text(test, answer)
        or next((found for rule in test.json if (found := _json(rule, document, values))), "")
        or _latency(test, answer)
    )
    extracted, lacking = _extract(test.extract, document) if not wrong else ({}, "")
    message = wrong or lacking or f"status {answer.status} in {answer.seconds * 1000:.0f} ms"
    verdict = Verdict.FAIL if wrong or lacking else Verdict.PASS
    return Try(verdict, message, answer.status, answer.seconds, extracted, repeatable)


NO_JSON = object()


def _document(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return NO_JSON


def _status(test: HttpTest, answer: Answer) -> str:
    if answer.status in test.status:
        return ""
    wanted = " or ".join(str(status) for status in test.status)
    said = f"; it says: {_short(answer.text)}" if answer.status >= 400 and answer.text.strip() else ""
    return f"status {answer.status}, wanted {wanted}{said}"


def _headers(test: HttpTest, answer: Answer) -> str:
    for name, pattern in test.answer_headers.items():
        value = answer.headers.get(name.lower())
        if value is None:
            return f"the answer has no header {name}"
        if not pattern.search(value):
            return f"the header {name} does not match {pattern.pattern!r}"
    return ""


def _text(test: HttpTest, answer: Answer) -> str:
    if test.regex and not test.regex.search(answer.text):
        return f"status {answer.status}, but the body does not match {test.regex.pattern!r}"
    return ""


def _latency(test: HttpTest, answer: Answer) -> str:
    if test.max_seconds is not None and answer.seconds > test.max_seconds:
        return f"took {answer.seconds:.3g} s, more than {test.max_seconds:g} s"
    return ""


def _json(rule: JsonRule, document: Any, values: Mapping[str, str]) -> str:
    where = rule.path.text
    if document is NO_JSON:
        return f"the body is no JSON, so there is no {where}"
    found = rule.path.find(document)
    if not found:
        return f"the answer has no {where}"
    if rule.equals is not None:
        wanted = filled(rule.equals, values)
        other = [value for value in found if not same(wanted, value)]
        return f"{where} is {_short(other[0])}, wanted {_short(wanted)}" if other else ""
    if rule.matches is not None:
        other = [value for value in found if not rule.matches.search(plain(value))]
        return f"{where} does not match {rule.matches.pattern!r}" if other else ""
    if rule.min_items is not None:
        count = len(found[0]) if len(found) == 1 and isinstance(found[0], (list, dict)) else len(found)
        return f"{where} has {count} items, wanted at least {rule.min_items}" if count < rule.min_items else ""
    return f"{where} is empty" if any(value in (None, "", [], {}) for value in found) else ""


def _extract(paths: Mapping[str, JsonPath], document: Any) -> tuple[dict[str, str], str]:
    """The values handed on, and what is lacking."""
    values: dict[str, str] = {}
    for name, path in paths.items():
        found = path.find(document) if document is not NO_JSON else []
        if not found or found[0] in (None, ""):
            return {}, f"the answer has no {path.text} to extract as {name}"
        values[name] = plain(found[0])
    return values, ""


def same(wanted: Any, value: Any) -> bool:
    """Equal, or equal as text: Ansible's templates turn numbers and booleans into strings."""
    if wanted == value and isinstance(wanted, bool) == isinstance(value, bool):
        return True
    return isinstance(wanted, str) and not isinstance(value, (list, dict)) and wanted.lower() == plain(value).lower()


def plain(value: Any) -> str:
    """``value`` as text: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _short(value: Any) -> str:
    text = " ".join(plain(value).split())
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."
