# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How to reach Vault and log in to it, documented once; names and order as in community.hashi_vault."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection and login options of the Vault modules."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - URL of Vault. Else the variable C(ansible_hashi_vault_url), or the environment variables
        E(ANSIBLE_HASHI_VAULT_ADDR) or E(VAULT_ADDR), name it.
      - Every option of this group may also be given as a variable C(ansible_hashi_vault_<option>), and nearly all as an
        environment variable C(ANSIBLE_HASHI_VAULT_<OPTION>) of the host the module runs on.
    type: str
  proxies:
    description: One proxy URL for all, or a dictionary of them by scheme. Else E(ANSIBLE_HASHI_VAULT_PROXIES).
    type: raw
  ca_cert:
    description:
      - File of the authorities to trust for Vault's certificate. Else E(ANSIBLE_HASHI_VAULT_CA_CERT) or
        E(VAULT_CACERT).
    type: str
    aliases: [cacert]
  validate_certs:
    description: Whether to check Vault's certificate. Else the opposite of E(VAULT_SKIP_VERIFY), else yes.
    type: bool
  namespace:
    description: Vault namespace to work in. Else E(ANSIBLE_HASHI_VAULT_NAMESPACE) or E(VAULT_NAMESPACE).
    type: str
  timeout:
    description: Seconds to wait for each answer. Else E(ANSIBLE_HASHI_VAULT_TIMEOUT).
    type: int
    default: 10
  retries:
    description:
      - How often to try again after a server error or a lost connection; a number, or a dictionary of options of the
        C(Retry) class of urllib3. Else E(ANSIBLE_HASHI_VAULT_RETRIES), else none.
      - A rate limit, and a cluster that is electing its leader, are waited for in any case, at most 20 seconds each.
    type: raw
  retry_action:
    description: Whether to warn when something is tried again. Else E(ANSIBLE_HASHI_VAULT_RETRY_ACTION).
    type: str
    choices: [ignore, warn]
    default: warn
  auth_method:
    description:
      - How to log in. Else E(ANSIBLE_HASHI_VAULT_AUTH_METHOD).
      - A token made by logging in is revoked at the end of the task. One that was given is left alone.
      - V(none) sends no token, for a Vault Agent or proxy that adds its own.
    type: str
    choices: [token, userpass, ldap, approle, kubernetes, jwt, cert, aws_iam, none]
    default: token
  mount_point:
    description: Mount point of the login method, if not its usual one. Else E(ANSIBLE_HASHI_VAULT_MOUNT_POINT).
    type: str
  token:
    description:
      - Token for V(auth_method=token). Else E(ANSIBLE_HASHI_VAULT_TOKEN), E(VAULT_TOKEN), or the file O(token_file) in
        O(token_path).
    type: str
  token_path:
    description: Directory of the token file. Else E(ANSIBLE_HASHI_VAULT_TOKEN_PATH), else the home directory.
    type: str
  token_file:
    description: Name of the token file. Else E(ANSIBLE_HASHI_VAULT_TOKEN_FILE).
    type: str
    default: .vault-token
  token_validate:
    description: Look the token up before it is used. Else E(ANSIBLE_HASHI_VAULT_TOKEN_VALIDATE).
    type: bool
    default: false
  username:
    description: User for V(auth_method=userpass) and V(auth_method=ldap). Else E(ANSIBLE_HASHI_VAULT_USERNAME).
    type: str
  password:
    description: Password of O(username). Else E(ANSIBLE_HASHI_VAULT_PASSWORD).
    type: str
  role_id:
    description:
      - Role ID for V(auth_method=approle), or name of the role for V(auth_method=kubernetes), V(auth_method=jwt),
        V(auth_method=cert) and V(auth_method=aws_iam). Else E(ANSIBLE_HASHI_VAULT_ROLE_ID).
    type: str
  secret_id:
    description: Secret ID for V(auth_method=approle). Else E(ANSIBLE_HASHI_VAULT_SECRET_ID).
    type: str
  jwt:
    description:
      - Signed token for V(auth_method=jwt) and V(auth_method=kubernetes). Else E(ANSIBLE_HASHI_VAULT_JWT).
      - For V(auth_method=kubernetes) the default is the service account token of the pod this runs in.
    type: str
  aws_profile:
    description: AWS profile for V(auth_method=aws_iam).
    type: str
    aliases: [boto_profile]
  aws_access_key:
    description: AWS access key for V(auth_method=aws_iam).
    type: str
    aliases: [aws_access_key_id]
  aws_secret_key:
    description: AWS secret key for V(auth_method=aws_iam).
    type: str
    aliases: [aws_secret_access_key]
  aws_security_token:
    description: AWS session token, if the keys are temporary.
    type: str
  region:
    description: AWS region to sign the request for.
    type: str
  aws_iam_server_id:
    description: Value of the C(X-Vault-AWS-IAM-Server-ID) header. Else E(ANSIBLE_HASHI_VAULT_AWS_IAM_SERVER_ID).
    type: str
  cert_auth_public_key:
    description: Client certificate file for V(auth_method=cert). Else E(ANSIBLE_HASHI_VAULT_CERT_AUTH_PUBLIC_KEY).
    type: path
  cert_auth_private_key:
    description: Key file of that certificate. Else E(ANSIBLE_HASHI_VAULT_CERT_AUTH_PRIVATE_KEY).
    type: path
"""
