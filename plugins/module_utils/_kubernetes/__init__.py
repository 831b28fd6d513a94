# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's side of a rollback: workloads, Services and the environment of pods in a Kubernetes cluster."""
