# SPDX-License-Identifier: GPL-3.0-or-later
"""HashiCorp Vault: several KV version 2 secrets brought back as one."""
