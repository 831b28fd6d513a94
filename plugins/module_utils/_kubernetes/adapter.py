# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in to a cluster exactly as kubernetes.core does: its options, its environment variables, its order of sources.

This is the only file that knows kubernetes.core and the Python client. The client's configuration is taken over and
its dynamic client is not: that would ask the server for its whole catalogue (several requests) at every task.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .._module import RollbackError, ignore

kubernetes: Any
urllib3: Any
ws_client: Any
try:
    import kubernetes
    import urllib3
    from kubernetes.stream import ws_client
except ImportError:
    kubernetes = urllib3 = ws_client = None

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core
except ImportError:
    AUTH_ARG_SPEC, core = {}, None

AUTH_ARGUMENTS: dict[str, Any] = dict(AUTH_ARG_SPEC)
"""Login options of every module here; documented by the fragment ``kubernetes.core.k8s_auth_options``."""


_one_login = threading.Lock()

FRESH = 15.0
"""Seconds for which a login is used again by the same process: a module, its lock and its run record ask one after the
other, and each new login reads the kubeconfig, may run a program for a token, and opens a connection of its own."""
_clients: dict[tuple[int, str], tuple[float, Any]] = {}


def connect(params: Mapping[str, Any], warn: Callable[[str], None] = ignore) -> Any:
    """A ``kubernetes.client.ApiClient`` for a module's parameters (only login options are looked at).

    Nothing is sent yet. ``warn`` is told of a server that is not verified, whoever said so. Raises
    :class:`RollbackError` when a library is missing or no login can be found.
    """
    if kubernetes is None:
        raise RollbackError("the Python library kubernetes is not installed here; type: pip install kubernetes")
    if core is None:
        raise RollbackError(
            "the collection kubernetes.core is not installed here; type: "
            "ansible-galaxy collection install kubernetes.core"
        )
    wanted = {name: params.get(name) for name in AUTH_ARG_SPEC if params.get(name) is not None}
    told = {name: value for name, value in os.environ.items() if name.startswith(("K8S_AUTH_", "KUBE"))}
    key = (os.getpid(), json.dumps([wanted, told], sort_keys=True, default=str))
    with _one_login:
        made, client = _clients.get(key, (0.0, None))
        if client is None or time.monotonic() - made > FRESH:
            client = _client(wanted)
            _clients[key] = (time.monotonic(), client)
    configuration = client.configuration
    if not configuration.verify_ssl and configuration.host.startswith("https:"):
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it does not say whose server
        warn(f"NOT SECURE: {configuration.host} is not verified: whoever is in between can read every secret")
    return client


def _client(wanted: Mapping[str, Any]) -> Any:
    login = {name: value for name, value in wanted.items() if not name.startswith("impersonate_")}
    try:
        configuration = _configuration(login)
        headers = core._create_headers(None, **wanted)
    except (kubernetes.config.ConfigException, OSError) as error:
        raise RollbackError(
            f"cannot log in to Kubernetes: {error}; set kubeconfig (or K8S_AUTH_KUBECONFIG) and check it with: "
            "kubectl --kubeconfig FILE auth whoami"
        ) from error
    client = kubernetes.client.ApiClient(configuration)
    for name, value in headers.items():
        core._set_header(client, name, value)
    return client


def _configuration(login: Mapping[str, Any]) -> Any:
    """The client's configuration for ``login`` alone.

    The client keeps what it read from a kubeconfig as a default of the process, with a hook that puts the old token
    back over a new one; so nothing is taken from an earlier login, and nothing is left for a later one.
    """
    kubernetes.client.Configuration.set_default(None)
    try:
        return core._create_configuration(core._create_auth_spec(None, **login))
    finally:
        kubernetes.client.Configuration.set_default(None)


def request_headers(client: Any) -> dict[str, str]:
    """The headers every request of ``client`` carries: impersonation and a token, refreshed when it is due."""
    configuration = client.configuration
    headers = dict(client.default_headers)
    for setting in configuration.auth_settings().values():
        if setting["in"] == "header" and setting["value"]:
            headers[setting["key"]] = setting["value"]
    if "authorization" not in headers and configuration.username and configuration.password:
        headers["authorization"] = configuration.get_basic_auth_token()
    return headers


def open_channel(client: Any, url: str, headers: Mapping[str, str]) -> Any:
    """A ``WSClient`` on ``url`` (http or https), as ``kubectl exec`` opens it."""
    address = ws_client.get_websocket_url(url)
    return ws_client.WSClient(client.configuration, address, dict(headers), capture_all=False, binary=True)
