# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a manifest, an argument or an answer holds: a result or an error in words, never a traceback.

CHAOS_CASES says how many cases each property gets; `make chaos` asks for enough to have more than 10,000 in all.
"""

from __future__ import annotations

import copy
import json
import os
import string
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Answer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.evaluate import health, position
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Container, Workload
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.observe import assemble
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import plan as plan_of
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.client import QueryError, parse, understand
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Window
from ansible_collections.octalume.rollback.plugins.module_utils._release.plan import parse_manifest
from ansible_collections.octalume.rollback.plugins.module_utils._vault.plan import targets
from ansible_collections.octalume.rollback.plugins.modules import (
    notice,
    prometheus_threshold_info,
    release_manifest_info,
    vault_kv2_rollback,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
CASES = int(os.environ.get("CHAOS_CASES", "100"))
many = settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))

TEXT = st.one_of(
    st.text(max_size=20),
    st.text(string.printable, max_size=12),
    st.sampled_from(
        ["{{ lookup('pipe', 'id') }}", "../../etc/passwd", "1.4.2; rm -rf /", "{% raw %}", "\x00", "-e", "$(id)"]
    ),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
MANIFEST = yaml.safe_load((ROOT / "inventories/sandbox/releases/1.4.2.yml").read_text())
OBJECTS = json.loads((ROOT / "tests/fixtures/kubernetes_objects/api_server.json").read_text())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside ``value``."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in ((*path, key), *places(item, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of ``value`` with ``new`` at ``path``; without what is there, where ``new`` is ``...``."""
    other = copy.deepcopy(value)
    at = other
    for key in path[:-1]:
        at = at[key]
    if new is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return other


@many
@given(JSON)
def test_any_document_is_a_manifest_or_refused_in_words(document: Any) -> None:
    try:
        parse_manifest(document, "x.yml", "1.4.2")
    except RollbackError:
        return


@many
@given(st.sampled_from(places(MANIFEST)), JSON)
def test_a_manifest_with_anything_anywhere_is_read_or_refused_in_words(path: tuple[Any, ...], value: Any) -> None:
    for new in (value, ...):
        try:
            parse_manifest(changed(MANIFEST, path, new), "x.yml", "1.4.2")
        except RollbackError:
            continue


@many
@given(TEXT)
def test_no_version_leads_out_of_the_folder_of_manifests(version: str) -> None:
    params = {"version": version, "directory": str(ROOT / "inventories/sandbox/releases")}
    try:
        found = release_manifest_info.run(Call(params=params))
    except RollbackError:
        return
    assert Path(found["path"]).parent == ROOT / "inventories/sandbox/releases"


@many
@given(st.lists(JSON, max_size=3), JSON, JSON)
def test_arguments_are_refused_in_words_before_anything_is_done(items: list[Any], name: Any, number: Any) -> None:
    tried = [
        (vault_kv2_rollback, {"secrets": [{"path": name, "version": number}, *items]}),
        (notice, {"id": name, "event": "started", "subject": name, "body": name, "channels": items, "timeout": number}),
        (prometheus_threshold_info, {"url": name, "checks": [{"name": name, "query": name, "expect": number}, *items]}),
    ]
    for module, params in tried:
        relations = {
            name: rule
            for name, rule in module.ARGUMENTS.items()
            if name not in ("argument_spec", "supports_check_mode")
        }
        validated = ArgumentSpecValidator(module.ARGUMENTS["argument_spec"], **relations).validate(params)
        if validated.error_messages:
            continue
        if module is vault_kv2_rollback:
            try:
                targets(validated.validated_parameters["secrets"])
            except RollbackError:
                continue
        else:
            try:  # in check mode a notice is not sent; a query goes to a port where nobody listens
                here = {**validated.validated_parameters, "url": "http://127.0.0.1:9/", "retries": 0}
                result = module.run(Call(params=here, check_mode=True))
                assert all(item["verdict"] != "pass" for item in result.get("checks", ()))
            except RollbackError:
                continue


@many
@given(st.integers(100, 599), st.one_of(st.binary(max_size=30), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_answer_of_prometheus_is_understood_or_told(status: int, body: bytes) -> None:
    try:
        parse(understand(Answer(status, {}, body, 0.0), "http://p"), Window(0, 10, 1))
    except QueryError:
        return


@many
@given(st.sampled_from(["scalar", "vector", "matrix", "string", None]), JSON, JSON, st.booleans())
def test_any_result_of_prometheus_is_numbers_or_told(kind: Any, result: Any, warnings: Any, whole: bool) -> None:
    data = {"resultType": kind, "result": result} if whole else result
    for window in (Window(0, 10, 1), Window(10, 10, 1)):
        try:
            parse({"status": "success", "data": data, "warnings": warnings}, window)
        except QueryError:
            continue


class _Wire:
    """What an ``ApiClient`` is to ApiServer: it answers with the same text each time."""

    def __init__(self, status: int, data: bytes) -> None:
        self.configuration = self
        self.rest_client = self
        self.pool_manager = self
        self.host, self.default_headers = "https://k", dict[str, str]()
        self.username = self.password = None
        self.status, self.data = status, data

    def auth_settings(self) -> dict[str, Any]:
        """No login."""
        return {}

    def request(self, *_words: Any, **_options: Any) -> _Wire:
        """The answer."""
        return self


@many
@given(st.integers(200, 599), st.one_of(st.binary(max_size=30), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_answer_of_an_api_server_is_an_object_or_told(status: int, body: bytes) -> None:
    server = ApiServer(_Wire(status, body), patience=0)
    try:
        assert isinstance(server.get("/api/v1/configmaps"), dict)
    except RollbackError:
        return


MAY_BE_LEFT_OUT = (
    "annotations", "availableReplicas", "conditions", "containerStatuses", "labels", "observedGeneration",
    "ownerReferences", "phase", "readyReplicas", "replicas", "startTime", "updatedReplicas",
)  # fmt: skip
OPTIONAL = [path for path in places(OBJECTS) if path[-1] in MAY_BE_LEFT_OUT and "selector" not in path]


@many
@given(
    st.lists(st.sampled_from(OPTIONAL), min_size=1, max_size=4),
    st.sampled_from(["quiesced", "rolled_back", "restored"]),
)
def test_objects_that_lack_what_a_server_may_leave_out_are_judged_or_refused(paths: list[Any], state: str) -> None:
    objects = OBJECTS
    for path in sorted(paths, reverse=True):
        if path in places(objects):
            objects = changed(objects, path, ...)
    container = Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1")
    workload = Workload("Deployment", "api-server", "production", (container,), None)
    observed = assemble(workload, objects["deployment"], objects["replicasets"], objects["pods"], None)
    health(observed, 3)
    assert position(observed) in ("release", "previous", "other", "current")
    try:
        plan_of(observed, Options(state))
    except RollbackError as error:
        assert "api-server" in error.message  # noqa: PT017
