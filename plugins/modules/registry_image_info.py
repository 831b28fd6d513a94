#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_image_info
version_added: 0.1.0
short_description: Tell whether registries still have images
description:
  - Asks the registry of each image for its manifest, by the distribution API of OCI, all at the same time, and pulls
    nothing.
  - A registry that cannot be reached, or that does not let us look, has said nothing about the image; its verdict is
    V(inconclusive). Only a registry that answers that the image is not there, or that it is another one, fails it.
  - Logins are those of C(docker login), C(podman login --authfile) and credential helpers.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
options:
  images:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      image:
        description: Reference of the image, with its tag or digest.
        type: str
        required: true
      digest:
        description: The digest that is on record; another image under the same tag is then a failure.
        type: str
  registries:
    description:
      - Where a registry is asked, by its host, for example a mirror. The others are asked by HTTPS, and those on this
        very machine by HTTP.
    type: dict
    default: {}
  docker_config:
    description:
      - The file with the logins. Without it C(config.json) in C(DOCKER_CONFIG) or in C(~/.docker), if there is one.
    type: path
  ca_path:
    description: PEM file with the authorities to trust.
    type: path
  validate_certs:
    description: Whether certificates are checked.
    type: bool
    default: true
  use_proxy:
    description: Whether C(http_proxy), C(https_proxy) and C(no_proxy) of the environment are followed.
    type: bool
    default: true
  timeout:
    description: Seconds that one request may take.
    type: float
    default: 3.0
requirements:
  - requests >= 2.31
"""

EXAMPLES = r"""
- name: See whether the previous image can still be pulled
  octalume.rollback.registry_image_info:
    images:
      - image: registry.example.com/shop/api-server:1.4.1
        digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    docker_config: /etc/rollback/registries.json
  register: pullable
"""

RETURN = r"""
verdict:
  description: The worst verdict of all images.
  returned: success
  type: str
  sample: pass
images:
  description: One entry for each image, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The image.
      type: str
      sample: registry.example.com/shop/api-server:1.4.1
    verdict:
      description: V(pass), the registry has it; V(fail), it has not, or another one; V(inconclusive), it did not say.
      type: str
      sample: pass
    message:
      description: What the registry said.
      type: str
      sample: in registry.example.com as sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    digest:
      description: Digest of what is there; null if not known.
      type: str
      sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Connection, HttpClient, check_url
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict, worst
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._registry.client import Registries
from ansible_collections.octalume.rollback.plugins.module_utils._registry.credentials import (
    Login,
    login_for,
    read_file,
)
from ansible_collections.octalume.rollback.plugins.module_utils._registry.model import wanted_image

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "images": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"image": {"type": "str", "required": True}, "digest": {"type": "str"}},
        },
        "registries": {"type": "dict", "default": {}},
        "docker_config": {"type": "path"},
        "ca_path": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "use_proxy": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 3.0},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Ask for every image once."""
    params = call.params
    for host, url in params["registries"].items():
        check_url(str(url), f"registries.{host}")
    config = read_file(params["docker_config"])

    def login(host: str) -> Login | None:
        found = login_for(host, config)
        if found:
            call.secrets.update(filter(None, (found.password, found.identity_token)))
        return found

    wanted = {(item["image"], item["digest"]): wanted_image(item["image"], item["digest"]) for item in params["images"]}
    registries = Registries(HttpClient(Connection.from_params(params)), login, params["registries"])
    found = dict(zip(wanted, registries.find_all(list(wanted.values())), strict=True))
    each = [found[item["image"], item["digest"]] for item in params["images"]]
    return {
        "changed": False,
        "verdict": (worst(one.verdict for one in each) if each else Verdict.PASS).value,
        "images": [
            {"image": one.image, "verdict": one.verdict.value, "message": one.message, "digest": one.digest}
            for one in each
        ],
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
