"""Remote addresses, as they may be recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.source.inspect import inspect
from projrun.source.remote import without_credentials
from tests.repositories import Repository


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://token@example.org/a.git", "https://example.org/a.git"),
        ("https://user:pass@example.org:8443/a.git", "https://example.org:8443/a.git"),
        ("https://user:p@ss@example.org/a.git", "https://example.org/a.git"),
        ("https://user:p@ss/w@example.org/a.git", "https://example.org/a.git"),
        ("https://user:p/w@example.org/a.git", "https://example.org/a.git"),
        ("https://user:p?w#x@example.org/a.git", "https://example.org/a.git"),
        ("https://user@example.org/@scope/a.git", "https://example.org/@scope/a.git"),
        ("https://example.org/@scope/a.git", "https://example.org/@scope/a.git"),
        ("https://example.org:8443/@scope/a.git", "https://example.org:8443/@scope/a.git"),
        ("https://example.org/a.git?private_token=abc", "https://example.org/a.git"),
        ("https://user:pw@example.org/a.git?token=abc#frag", "https://example.org/a.git"),
        ("https://user:pw@[::1]:80/a.git", "https://[::1]:80/a.git"),
        ("https://[::1]/a.git", "https://[::1]/a.git"),
        ("ssh://git@example.org:22/a.git", "ssh://git@example.org:22/a.git"),
        ("ssh://git:secret@example.org/a.git", "ssh://git@example.org/a.git"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
        ("user:p@ss/w@host", "host"),
        ("user:pw@host:a.git", "host:a.git"),
        ("user@p@host:a.git", "host:a.git"),
        ("/srv/@shared/a.git", "/srv/@shared/a.git"),
        ("../a@b.git", "../a@b.git"),
        ("file:///srv/@shared/a.git", "file:///srv/@shared/a.git"),
        ("ext::https://user:pw@example.org/a.git", "ext::https://example.org/a.git"),
    ],
)
def test_credentials_never_stay_and_the_rest_does(address: str, kept: str) -> None:
    assert without_credentials(address) == kept


@given(
    password=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    scheme=st.sampled_from(["https", "http", "ssh", "ftp", "git"]),
)
def test_no_password_survives(password: str, scheme: str) -> None:
    cleaned = without_credentials(f"{scheme}://user:x{password}SECRET@example.invalid/a.git")
    assert "SECRET" not in cleaned
    assert cleaned.endswith("example.invalid/a.git")


def test_the_recorded_remote_has_no_credentials_and_no_private_shorthand(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit()
    repository.git("config", "url.https://user:token@example.invalid/.insteadOf", "ex:")
    repository.git("remote", "add", "origin", "ex:me/project.git")
    assert inspect(repository.path).remote == "https://example.invalid/me/project.git"
