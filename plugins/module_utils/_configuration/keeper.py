# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells who keeps a ConfigMap or Secret as it is: what a controller makes is no configuration of a release."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def keeper_of(live: Json) -> str:
    """The controller that would write its own content back, or a newer one that has to be used; or an empty text.

    To bring back what was recorded of it would put an expired certificate, or a rotated password, into the pods.
    """
    meta = live["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    for owner in meta.get("ownerReferences") or []:
        if owner.get("controller"):
            return f"{owner['kind']} {owner['name']}"
    if certificate := annotations.get("cert-manager.io/certificate-name"):
        return f"cert-manager (Certificate {certificate})"
    if _true(labels.get("reconcile.external-secrets.io/managed")):
        return "External Secrets"
    if _true(annotations.get("service.beta.openshift.io/inject-cabundle")):
        return "OpenShift's service CA"
    if _true(labels.get("config.openshift.io/inject-trusted-cabundle")):
        return "OpenShift's trusted CA bundle"
    return ""


def _true(mark: object) -> bool:
    return str(mark).lower() == "true"
