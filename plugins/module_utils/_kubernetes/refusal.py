# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what an API server's refusal means, and what to do about it: a right, a policy and a full quota are all 403."""

from __future__ import annotations

import re

RIGHT = re.compile(r"\bcannot \S+ (?:resource|path) ")
"""How every authorizer words it: ``User "robot" cannot patch resource "deployments" in API group "apps" ...``."""
POLICY = re.compile(r"denied the request|denied request|is forbidden: |violates PodSecurity")
"""Webhooks, ValidatingAdmissionPolicies, and admission plugins; the last resort of ``is forbidden`` is one of these."""


def lacks_right(status: int, message: str) -> bool:
    """Whether the login lacks a right, and not the object the consent of the cluster's admission."""
    return status == 403 and bool(RIGHT.search(message))


def advice(status: int, message: str) -> str:
    """What to do about an answer, as the end of a sentence; empty where there is nothing to say."""
    if status == 401:
        return "; the login is not valid (any more): kubectl auth whoami"
    if lacks_right(status, message):
        return "; grant docs/policies/kubernetes-rollback.yml; k8s_permissions_info names what is missing"
    if "exceeded quota" in message:
        return "; a ResourceQuota is full, see which: kubectl describe resourcequota --all-namespaces"
    if POLICY.search(message):
        return (
            "; a policy of the cluster says so, which no right of this login changes; ask who keeps it: kubectl get "
            "validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies"
        )
    if status == 403:
        return "; nothing says that a right is missing, see what stands before the API server: kubectl auth whoami"
    return "; the Kubernetes API is in trouble: kubectl get --raw /readyz" if status >= 500 else ""
