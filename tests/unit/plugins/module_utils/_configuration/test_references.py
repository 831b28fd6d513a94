# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ConfigMaps and Secrets a pod template uses, and what its containers must then see."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.references import (
    ENVIRONMENT,
    FILES,
    Use,
    expected_environment,
    references,
    revealing,
)


def template(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "api", **(container or {})}], **spec}}


@pytest.mark.parametrize(
    ("given", "uses"),
    [
        (template(), []),
        (
            template({"envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}]}),
            [Use("ConfigMap", "a", ENVIRONMENT, "api"), Use("Secret", "b", ENVIRONMENT, "api")],
        ),
        (
            template({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}}] * 2}),
            [Use("Secret", "b", ENVIRONMENT, "api")],
        ),
        (
            template({"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}]}),
            [Use("ConfigMap", "a", ENVIRONMENT, "api")],
        ),
        (template({"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}), []),
        (template(volumes=[{"configMap": {"name": "a"}}]), [Use("ConfigMap", "a", FILES)]),
        (template(volumes=[{"secret": {"secretName": "b"}}, {"emptyDir": {}}]), [Use("Secret", "b", FILES)]),
        (
            template(volumes=[{"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]}}]),
            [Use("ConfigMap", "a", FILES), Use("Secret", "b", FILES)],
        ),
        (template(volumes=[{"projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}}]), []),
        (
            template(initContainers=[{"name": "init", "envFrom": [{"configMapRef": {"name": "a"}}]}]),
            [Use("ConfigMap", "a", FILES)],
        ),
        (template(imagePullSecrets=[{"name": "registry"}]), []),
    ],
)
def test_every_way_of_using_an_object_is_found(given: dict[str, Any], uses: list[Use]) -> None:
    assert references(given) == uses


DATA = {("ConfigMap", "a"): {"K": "from a", "not a name!": "x"}, ("Secret", "b"): {"K": "from b", "L": "of b"}}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"envFrom": [{"configMapRef": {"name": "a"}}]}, {"K": "from a"}),
        ({"envFrom": [{"configMapRef": {"name": "a"}, "prefix": "P_"}]}, {"P_K": "from a"}),
        (
            {"envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}]},
            {"K": "from b", "L": "of b"},
        ),
        ({"envFrom": [{"configMapRef": {"name": "a"}}], "env": [{"name": "K", "value": "own"}]}, {}),
        (
            {
                "envFrom": [{"configMapRef": {"name": "a"}}],
                "env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "b", "key": "L"}}}],
            },
            {"K": "of b"},
        ),
        ({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "b", "key": "gone"}}}]}, {}),
        ({"envFrom": [{"configMapRef": {"name": "unknown"}}]}, {}),
    ],
)
def test_expected_variables_follow_the_order_of_the_kubelet(
    container: dict[str, Any], expected: dict[str, str]
) -> None:
    assert expected_environment(container, DATA) == expected


def test_a_password_in_the_template_itself_is_noticed_and_a_reference_is_not() -> None:
    env = [
        {"name": "DB_PASSWORD", "value": "planted"},
        {"name": "API_KEY", "value": "planted"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}},
        {"name": "PAGE_SIZE", "value": "50"},
    ]
    assert revealing(template({"env": env})) == ["API_KEY", "DB_PASSWORD"]
