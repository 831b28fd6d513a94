# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that a controller makes are known by its marks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.keeper import keeper_of

OWNED = {"kind": "SealedSecret", "name": "shop", "uid": "u"}


@pytest.mark.parametrize(
    ("meta", "keeper"),
    [
        ({"ownerReferences": [{**OWNED, "controller": True}]}, "SealedSecret shop"),
        ({"ownerReferences": [OWNED]}, ""),
        ({"annotations": {"cert-manager.io/certificate-name": "tls"}}, "cert-manager (Certificate tls)"),
        ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "External Secrets"),
        ({"annotations": {"service.beta.openshift.io/inject-cabundle": "true"}}, "OpenShift's service CA"),
        ({"labels": {"config.openshift.io/inject-trusted-cabundle": "true"}}, "OpenShift's trusted CA bundle"),
        ({"labels": {"config.openshift.io/inject-trusted-cabundle": "false"}}, ""),
        ({"labels": None, "annotations": {"team": "shop"}}, ""),
    ],
)
def test_who_keeps_it(meta: dict[str, Any], keeper: str) -> None:
    assert keeper_of({"metadata": {"name": "x", **meta}}) == keeper
