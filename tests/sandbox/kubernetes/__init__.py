# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Kubernetes for tests: the API over HTTPS, the controllers a rollback meets, pods that are real processes."""
