# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions about access: reviews that are answered at once and stored nowhere."""

from __future__ import annotations

from typing import Any

from .access import Access, Attributes, User
from .errors import Cause, invalid
from .kinds import Kind
from .meta import now

Object = dict[str, Any]
_ORDER = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


def answer(kind: Kind, body: Object, user: User, access: Access) -> Object:
    """The review with its status."""
    spec = body.get("spec") or {}
    answered: Object = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    if kind.plural == "selfsubjectreviews":
        answered["metadata"] = {"creationTimestamp": now()}
        return {**answered, "status": {"userInfo": _user_info(user)}}
    if kind.plural == "selfsubjectrulesreviews":
        return {**answered, "spec": {}, "status": _rules(spec.get("namespace", ""), user, access)}
    if "user" in spec or "groups" in spec:
        user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if not resource and not path:
        hint = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid(kind, "", [Cause.required("spec.resourceAttributes", hint)])
    if resource:
        shown = {key: resource[key] for key in _ORDER if resource.get(key)}
        spec = {**spec, "resourceAttributes": shown}
        fields = ("verb", "group", "resource", "subresource", "namespace", "name")
        wanted = Attributes(**{key: resource.get(key) or "" for key in fields})
    else:
        wanted = Attributes(verb=(path or {}).get("verb", ""), path=(path or {}).get("path", ""))
    allowed, reason = access.allowed(user, wanted)
    return {**answered, "spec": spec, "status": {"allowed": allowed, **({"reason": reason} if reason else {})}}


def _user_info(user: User) -> Object:
    info: Object = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": dict(user.extra)}
    return {key: value for key, value in info.items() if value}


def _rules(namespace: str, user: User, access: Access) -> Object:
    rules = [rule for _, _, found in access.bindings(user, namespace) for rule in found]
    if "system:masters" in user.groups:
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    order = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    shown = [{key: rule[key] for key in order if rule.get(key)} for rule in rules]
    return {
        "resourceRules": [rule for rule in shown if "resources" in rule],
        "nonResourceRules": [rule for rule in shown if "nonResourceURLs" in rule],
        "incomplete": False,
    }
