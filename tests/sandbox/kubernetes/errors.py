# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's errors: every refusal is a Status object with the server's own code, reason and text."""

from __future__ import annotations

import json
from typing import Any

from .kinds import Kind

Object = dict[str, Any]
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class ApiError(Exception):
    """A refusal: HTTP ``code``, Status ``reason``, text and details."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None, **metadata: str) -> None:
        """Keep what :meth:`status` needs; ``metadata`` goes into the Status' own metadata."""
        super().__init__(message)
        self.code, self.reason, self.message, self.details, self.metadata = code, reason, message, details, metadata

    def status(self) -> Object:
        """The body of the answer."""
        body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": dict(self.metadata), "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


class PlainNotFound(Exception):
    """A path outside the API: the server answers in plain text."""


def success(**more: Any) -> Object:
    """A Status that tells success."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", **more}


def details(kind: Kind, name: str = "", *, singular: bool = False, **more: Any) -> Object:
    """The ``details`` of a Status about an object; empty fields are left out as the server does."""
    found = {"name": name, "group": kind.group, "kind": kind.kind if singular else kind.plural, **more}
    return {key: value for key, value in found.items() if value}


def qualified(kind: Kind, *, singular: bool = False) -> str:
    """``deployments.apps`` (or ``Deployment.apps``), ``pods`` for the core group."""
    name = kind.kind if singular else kind.plural
    return f"{name}.{kind.group}" if kind.group else name


def not_found(kind: Kind, name: str) -> ApiError:
    """No such object."""
    return ApiError(404, "NotFound", f'{qualified(kind)} "{name}" not found', details(kind, name))


def unknown_resource() -> ApiError:
    """A path inside a known API group that names no resource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> ApiError:
    """The name is taken."""
    return ApiError(409, "AlreadyExists", f'{qualified(kind)} "{name}" already exists', details(kind, name))


def conflict(kind: Kind, name: str, why: str = MODIFIED, *, singular: bool = False) -> ApiError:
    """The object is not what the caller thinks it is."""
    text = f'Operation cannot be fulfilled on {qualified(kind, singular=singular)} "{name}": {why}'
    return ApiError(409, "Conflict", text, details(kind, name, singular=singular))


def bad_request(message: str) -> ApiError:
    """The request cannot be read."""
    return ApiError(400, "BadRequest", message)


def method_not_allowed() -> ApiError:
    """The resource knows no such verb."""
    text = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", text, {})


def gone(message: str, **metadata: str) -> ApiError:
    """A resource version that the history does not reach back to."""
    return ApiError(410, "Expired", message, None, **metadata)


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    """Refused by policy."""
    subject = f'{qualified(kind)} "{name}"' if name else qualified(kind)
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details(kind, name))


class Cause:
    """One invalid field: ``reason`` is the API's FieldValue... word."""

    def __init__(self, field: str, reason: str, message: str, *, times: int = 1) -> None:
        """``times``: how often the server repeats the cause in its details (it validates some fields twice)."""
        self.field, self.reason, self.message, self.times = field, reason, message, times

    @classmethod
    def required(cls, field: str, hint: str = "") -> Cause:
        """A missing value."""
        return cls(field, "FieldValueRequired", "Required value" + (f": {hint}" if hint else ""))

    @classmethod
    def invalid(cls, field: str, value: Any, why: str, *, times: int = 1) -> Cause:
        """A wrong value, shown as Go shows it."""
        return cls(
            field, "FieldValueInvalid", f"Invalid value: {json.dumps(value, separators=(',', ':'))}: {why}", times=times
        )

    @classmethod
    def too_long(cls, field: str, limit: int, *, times: int = 1) -> Cause:
        """A value over its size limit in bytes."""
        return cls(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes", times=times)


def invalid(kind: Kind | None, name: str, causes: list[Cause], *, plural: bool = False) -> ApiError:
    """422 with every cause; ``kind`` None is the nameless error of a body that does not fit its type."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    subject = qualified(kind, singular=not plural) if kind else ""
    listed = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field}
        for cause in causes
        for _ in range(cause.times)
    ]
    about = details(kind, name, singular=not plural) if kind else {}
    return ApiError(422, "Invalid", f'{subject} "{name}" is invalid: {text}', {**about, "causes": listed})
