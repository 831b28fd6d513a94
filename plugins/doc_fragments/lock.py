# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock of a run, documented once for every module that writes or takes long."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that fences a module."""

    DOCUMENTATION = r"""
options:
  lock:
    description:
      - The lock of the run this task belongs to, as M(octalume.rollback.rollback_lock) returns it in C(fence).
      - It is renewed while the task works, and asked for before every write. Once it is somebody else's, nothing is
        written any more and the task fails. Without it, nothing is asked.
    type: dict
    suboptions:
      name:
        description: Name of the lock.
        type: str
        required: true
      namespace:
        description: Where its Lease is.
        type: str
      directory:
        description: Where its file is.
        type: path
      holder:
        description: Who holds it.
        type: str
        required: true
      token:
        description: The fencing token.
        type: int
        required: true
      duration:
        description: Seconds for which it is taken.
        type: int
        default: 60
      connection:
        description: How to log in to the cluster of the Lease, by the names of kubernetes.core.
        type: dict
        default: {}
        suboptions:
          kubeconfig:
            description: Path or content of a kubeconfig.
            type: raw
          context:
            description: Its context.
            type: str
          host:
            description: URL of the API server.
            type: str
          api_key:
            description: Token.
            type: str
          username:
            description: User.
            type: str
          password:
            description: Password.
            type: str
          validate_certs:
            description: Whether to check the server's certificate.
            type: bool
            aliases: [verify_ssl]
          ca_cert:
            description: Authorities to trust.
            type: path
            aliases: [ssl_ca_cert]
          client_cert:
            description: Client certificate.
            type: path
            aliases: [cert_file]
          client_key:
            description: Its key.
            type: path
            aliases: [key_file]
          proxy:
            description: URL of an HTTP proxy.
            type: str
          no_proxy:
            description: Hosts to reach without it.
            type: str
          proxy_headers:
            description: Headers for the proxy.
            type: dict
            suboptions:
              proxy_basic_auth:
                description: Login to the proxy, C(user:password).
                type: str
              basic_auth:
                description: Login to the server, C(user:password).
                type: str
              user_agent:
                description: User agent.
                type: str
          persist_config:
            description: Whether a refreshed login is written back to the kubeconfig.
            type: bool
          impersonate_user:
            description: User to act as.
            type: str
          impersonate_groups:
            description: Groups to act as.
            type: list
            elements: str
"""
