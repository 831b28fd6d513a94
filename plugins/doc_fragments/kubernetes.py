# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that the Kubernetes modules share, documented once."""

from __future__ import annotations


class ModuleDocFragment:
    """How the manifest names what a release changed in a cluster."""

    # The login options are those of kubernetes.core, documented by its own fragment.
    DOCUMENTATION = r"""
options: {}
requirements:
  - kubernetes >= 28 (Python library)
  - kubernetes.core >= 5 (collection)
notes:
  - Login options, environment variables (C(K8S_AUTH_*)) and their order are those of M(kubernetes.core.k8s).
  - The rights that are enough are in C(docs/policies/kubernetes-rollback.yml).
"""

    WORKLOADS = r"""
options:
  workloads:
    description: What the release changed in the cluster. All entries are worked on at the same time.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: Kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, DaemonSet]
        default: Deployment
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
      containers:
        description:
          - Containers whose image the release changed, init containers too. They decide which version is live and which
            revision is the previous one; a digest decides alone, otherwise repository and tag.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the container.
            type: str
            required: true
          current:
            description: Its image in the release. Leave it out for a container that the release removed.
            type: str
          previous:
            description: Its image before the release. Leave it out for a container that the release brought.
            type: str
      template:
        description:
          - The pod template of the previous version, if the manifest has recorded it. It decides between revisions
            with the same images, and is used where no revision is left.
        type: dict
"""
