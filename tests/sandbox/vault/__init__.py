# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HashiCorp Vault for tests: the wire protocol of what the collection uses, judged by recorded exchanges."""
