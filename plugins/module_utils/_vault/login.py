# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in to Vault in every way community.hashi_vault knows, and by Kubernetes: the one file that imports either.

Options, environment variables and their order are community.hashi_vault's own, because its code handles them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import env_fallback, missing_required_lib

from .._deadline import within
from .._module import Call, RollbackError
from .client import Backoff, VaultStore, passing
from .errors import explain, unreachable

try:
    import hvac
    from hvac.adapters import RawAdapter
    from hvac.exceptions import VaultError
    from requests.exceptions import RequestException

    IMPORT_ERROR = ""
except ImportError as error:
    hvac = None
    VaultError = OSError

    class RequestException(OSError):  # type: ignore[no-redef]
        """Stands for what is missing; nothing raises it."""

    IMPORT_ERROR = str(error)
try:
    from ansible_collections.community.hashi_vault.plugins.module_utils._authenticator import HashiVaultAuthenticator
    from ansible_collections.community.hashi_vault.plugins.module_utils._connection_options import (
        HashiVaultConnectionOptions,
    )
    from ansible_collections.community.hashi_vault.plugins.module_utils._hashi_vault_common import (
        HashiVaultHelper,
        HashiVaultOptionAdapter,
    )
except ImportError:
    HashiVaultAuthenticator = None

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
BORROWED = ("token", "none")  # methods that bring a token of their own; it is not ours to revoke
METHODS = ("token", "userpass", "ldap", "approle", "kubernetes", "jwt", "cert", "aws_iam", "none")
STATUS = {
    "InvalidRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "InvalidPath": 404,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "VaultNotInitialized": 501,
    "BadGateway": 502,
    "VaultDown": 503,
}


def _option(name: str = "", **spec: Any) -> dict[str, Any]:
    """One option; ``name`` is what follows ANSIBLE_HASHI_VAULT_ in its environment variable."""
    if name:
        spec["fallback"] = (env_fallback, [f"ANSIBLE_HASHI_VAULT_{name}"])
    return {"type": "str", **spec}


CONNECTION: dict[str, dict[str, Any]] = {
    "url": _option("ADDR"),
    "proxies": _option("PROXIES", type="raw"),
    "ca_cert": _option("CA_CERT", aliases=["cacert"]),
    "validate_certs": _option(type="bool"),
    "namespace": _option("NAMESPACE"),
    "timeout": _option("TIMEOUT", type="int", default=10),
    "retries": _option("RETRIES", type="raw"),
    "retry_action": _option("RETRY_ACTION", choices=["ignore", "warn"], default="warn"),
    "auth_method": _option("AUTH_METHOD", choices=list(METHODS), default="token"),
    "mount_point": _option("MOUNT_POINT"),
    "token": _option("TOKEN", no_log=True),
    "token_path": _option("TOKEN_PATH", no_log=False),
    "token_file": _option("TOKEN_FILE", default=".vault-token"),
    "token_validate": _option("TOKEN_VALIDATE", type="bool", default=False),
    "username": _option("USERNAME"),
    "password": _option("PASSWORD", no_log=True),
    "role_id": _option("ROLE_ID"),
    "secret_id": _option("SECRET_ID", no_log=True),
    "jwt": _option("JWT", no_log=True),
    "aws_profile": _option(aliases=["boto_profile"]),
    "aws_access_key": _option(aliases=["aws_access_key_id"], no_log=False),
    "aws_secret_key": _option(aliases=["aws_secret_access_key"], no_log=True),
    "aws_security_token": _option(no_log=True),
    "region": _option(),
    "aws_iam_server_id": _option("AWS_IAM_SERVER_ID"),
    "cert_auth_public_key": _option("CERT_AUTH_PUBLIC_KEY", type="path"),
    "cert_auth_private_key": _option("CERT_AUTH_PRIVATE_KEY", type="path", no_log=False),
}

SECRETS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "no_log": False,
    "options": {
        "path": {"type": "str", "required": True},
        "engine_mount_point": {"type": "str", "default": "secret"},
        "version": {"type": "int", "required": True},
        "current": {"type": "int"},
    },
}


@contextmanager
def session(call: Call) -> Iterator[VaultStore]:
    """A logged-in store for the duration of the block; a token made by logging in is revoked after it."""
    if hvac is None:
        raise RollbackError(f"{missing_required_lib('hvac')} ({IMPORT_ERROR})")
    if HashiVaultAuthenticator is None:
        install = "ansible-galaxy collection install community.hashi_vault"
        raise RollbackError(f"the collection community.hashi_vault is missing; run `{install}`")
    params = {name: call.params[name] for name in CONNECTION}
    adapter = HashiVaultOptionAdapter.from_dict(params)
    client = _client(call, adapter)
    _authenticate(call, adapter, client)
    notice = _notice(call, params["retry_action"])
    try:
        yield VaultStore(
            RawAdapter.from_adapter(client.adapter), client.url, params["timeout"], notice, fence=call.fence
        )
    finally:
        if params["auth_method"] not in BORROWED:
            _revoke(call, client)


def _notice(call: Call, retry_action: str) -> Callable[[str], None]:
    return call.warn if retry_action == "warn" else call.progress


def _client(call: Call, adapter: Any) -> Any:
    """An hvac client for the connection options, without any token."""

    def on_retry(action: str) -> Any:
        def tell(retry: Any) -> None:
            if retry.total > 0 and action == "warn":
                call.warn(f"Vault: {retry.total} retries remaining")

        return tell

    options = HashiVaultConnectionOptions(option_adapter=adapter, retry_callback_generator=on_retry)
    try:
        options.process_connection_options()
        wanted = options.get_hvac_connection_options()
        if wanted.get("verify") is False and adapter.get_option("validate_certs") is not False:
            call.warn("NOT SECURE: VAULT_SKIP_VERIFY is set: whoever is in between can read every secret")
        return HashiVaultHelper().get_vault_client(**wanted)
    except (ValueError, TypeError) as error:
        hint = "set url or VAULT_ADDR" if "url" in str(error) else "see the connection options of this module"
        raise RollbackError(f"Vault connection: {error} ({hint})") from None


def _authenticate(call: Call, adapter: Any, client: Any) -> None:
    """Log in and keep every credential out of the output."""
    method = adapter.get_option("auth_method")
    authenticator = HashiVaultAuthenticator(adapter, call.warn, _ignore_deprecation)
    backoff = Backoff(client.url, _notice(call, adapter.get_option("retry_action")))
    timeout = adapter.get_option("timeout")
    try:
        if method == "kubernetes":
            log_in = partial(_kubernetes, call, adapter, client)
        else:
            authenticator.validate()
            log_in = partial(authenticator.authenticate, client)
        _patiently(backoff, method, lambda: within(2 * timeout, log_in))
    except (RequestException, TimeoutError) as error:
        raise unreachable(client.url, error, timeout) from None
    except (ValueError, NotImplementedError, OSError) as error:
        hint = f"run `vault login -address={client.url}` or set token, VAULT_TOKEN" if method == "token" else "set them"
        raise RollbackError(f"logging in to Vault by {method}: {error}; {hint}") from None
    if client.token:
        call.secrets.add(client.token)


def _patiently(backoff: Backoff, method: str, log_in: Callable[[], object]) -> None:
    """Log in, waiting out what passes; say what any other refusal means."""
    while True:
        try:
            log_in()
            return
        except VaultError as error:
            status, said = STATUS.get(type(error).__name__, 0), [str(text) for text in error.errors or []]
            if passing(status, said) and backoff.wait(status):
                continue
            if status >= 500 or status == 429:
                raise explain(backoff.url, f"the {method} login", status, said) from None
            told = f"Vault at {backoff.url} refused the {method} login ({'; '.join(said)})"
            hint = f"check its options, and `vault auth list -address={backoff.url}`"
            raise RollbackError(f"{told}; {hint}") from None


def _kubernetes(call: Call, adapter: Any, client: Any) -> None:
    """Log in with a service account's token, by default the one mounted into the pod this runs in."""
    role, jwt = adapter.get_option("role_id"), adapter.get_option("jwt")
    if not role:
        raise ValueError("role_id is required")
    if not jwt:
        jwt = SERVICE_ACCOUNT_TOKEN.read_text().strip()
        call.secrets.add(jwt)
    client.auth.kubernetes.login(role=role, jwt=jwt, mount_point=adapter.get_option("mount_point") or "kubernetes")


def _revoke(call: Call, client: Any) -> None:
    """Revoke the token we made; batch tokens end by themselves."""
    if str(client.token).startswith(("b.", "hvb.")):
        return
    try:
        within(2 * call.params["timeout"], client.auth.token.revoke_self)
    except (VaultError, RequestException, TimeoutError) as error:
        call.warn(
            f"the Vault token made for this task could not be revoked ({type(error).__name__}); it ends by its TTL"
        )


def _ignore_deprecation(*_arguments: Any, **_options: Any) -> None:
    """Deprecations of community.hashi_vault's own options say nothing to this module's users."""
