# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be shown of a URL, and what is refused as one."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._http.client import check_url, shown
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import secret_fields, secret_headers
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError


def test_a_url_is_shown_without_login_query_and_fragment() -> None:
    assert shown("https://me:secret@example.com:8443/a/b?token=secret#secret") == "https://example.com:8443/a/b"


@pytest.mark.parametrize("url", ["example.com", "ftp://a/b", "http://", "http://a:b/", "/path", "", "http://a:99999/"])
def test_what_is_no_http_url_is_refused_with_its_option(url: str) -> None:
    with pytest.raises(RollbackError, match=r"^targets: "):
        check_url(url, "targets")


def test_credentials_are_known_by_the_names_of_their_fields() -> None:
    body = {
        "user": "smoke",
        "Password": "hunter22",
        "list": [{"api_key": "abcd1234"}],
        "token": "${token}",
        "secret": "x",
    }
    assert secret_fields(body) == {"hunter22", "abcd1234"}
    assert secret_headers({"Authorization": "Bearer abcdef", "X-Scope-OrgID": "production"}) == {
        "Bearer abcdef",
        "abcdef",
    }
