# SPDX-License-Identifier: GPL-3.0-or-later
#
# Just enough for octalume.rollback.vault_kv2_rollback to bring the secrets of one application back.
# Put the mount point of your KV version 2 engine for "secret" and your own path for "production", then:
#
#   vault policy write rollback docs/policies/vault-rollback.hcl
#
# The token also needs the policy "default" (tokens have it unless made with no_default_policy), by which it may ask for
# its own capabilities and revoke itself.

# Read the live and the earlier version; write the earlier one again. "create" is not needed: the secret exists.
path "secret/data/production/*" {
  capabilities = ["read", "update"]
}

# Only for undelete: true.
path "secret/undelete/production/*" {
  capabilities = ["update"]
}

# Only to take things back: a version that was undeleted, or one written over a deleted one.
path "secret/delete/production/*" {
  capabilities = ["update"]
}
