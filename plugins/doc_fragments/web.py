# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of every module that speaks HTTP."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection options named as in M(ansible.builtin.uri)."""

    DOCUMENTATION = r"""
options:
  timeout:
    description: Seconds that one request may take, from connecting to the last byte of the answer.
    type: float
    default: 10.0
  ca_path:
    description:
      - PEM file with the authorities to trust. Without it C(REQUESTS_CA_BUNDLE) and C(SSL_CERT_FILE) of the
        environment are used, then the authorities that come with the Python library.
    type: path
  client_cert:
    description: PEM file with the client certificate; it may hold the key too.
    type: path
  client_key:
    description: PEM file with the key of O(client_cert).
    type: path
  validate_certs:
    description: Whether certificates are checked. Turn it off on a laboratory bench only.
    type: bool
    default: true
  url_username:
    description: Name for HTTP basic authentication.
    type: str
  url_password:
    description: Password for HTTP basic authentication.
    type: str
  bearer_token:
    description: Token sent in the C(Authorization) header as C(Bearer); it wins over O(url_username).
    type: str
  headers:
    description:
      - Headers sent with every request, for example the tenant of a Grafana Mimir (C(X-Scope-OrgID)).
      - Values of headers whose names speak of authorization, cookies, tokens, API keys, secrets, passwords or
        signatures are never shown.
    type: dict
  use_proxy:
    description: Whether C(http_proxy), C(https_proxy) and C(no_proxy) of the environment are followed.
    type: bool
    default: true
requirements:
  - requests >= 2.31
"""
