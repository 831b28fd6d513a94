# SPDX-License-Identifier: GPL-3.0-or-later
"""How the site is built: `make docs` puts the pages of this folder and those of the modules and roles together."""

import re
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any

from docutils import nodes

project = "octalume.rollback"
copyright = "The octalume.rollback authors"  # noqa: A001 - the name that Sphinx reads
author = "The octalume.rollback authors"
title = "octalume.rollback: releases that can be undone"
html_short_title = "octalume.rollback"

extensions = ["myst_parser", "sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["extra"]
html_extra_path = ["extra"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_theme_options = {
    "documentation_home_url": "https://github.com/octalume/rollback",
    "topbar_links": {},
    "vcs_pageview_mode": "edit",
}
html_use_smartypants = True
highlight_language = "yaml"
default_role = "any"
# Nothing is fetched while the site is built.
intersphinx_mapping: dict[str, tuple[str, None]] = {}

REPOSITORY = "https://github.com/octalume/rollback/blob/main"
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def lead(page: str, target: str) -> str:
    """Where a relative link of a page leads on the site: pages are on it, code is in the repository."""
    path = normpath(PurePosixPath("docs", page).parent / target)
    inside = path.startswith("docs/") and path.endswith((".md", ".rst"))
    return target if inside else f"{REPOSITORY}/{path}"


def rewrite(_application: Any, page: str, source: list[str]) -> None:
    """Let links that work in the repository work on the site."""
    source[0] = LINK.sub(lambda found: f"]({lead(page, found[1])}{found[2] or ''})", source[0])


MANUAL = "https://docs.ansible.com/ansible/latest"
PLUGIN = re.compile(r"ansible_collections\.(\w+)\.(\w+)\.(\w+)_(module|lookup|filter|callback)$")
PAGES = {
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def elsewhere(_application: Any, _environment: Any, node: Any, content: Any) -> Any:
    """Ansible's own manual and other collections, without asking the network for their indexes."""
    target = str(node.get("reftarget"))
    if target in PAGES:
        page = PAGES[target]
    elif target.endswith("_plugins"):
        page = f"plugins/{target.removesuffix('_plugins')}.html"
    elif found := PLUGIN.match(target):
        page = f"collections/{found[1]}/{found[2]}/{found[3]}_{found[4]}.html"
    else:
        return None
    return nodes.reference("", "", content, internal=False, refuri=f"{MANUAL}/{page}")


def setup(application: Any) -> None:
    """Called by Sphinx."""
    application.connect("source-read", rewrite)
    application.connect("missing-reference", elsewhere)
