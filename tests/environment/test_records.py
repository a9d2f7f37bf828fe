"""Paths of a RECORD lead where they would lead from site-packages."""

from __future__ import annotations

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from projrun.environment.records import _below


@given(st.text("ab./", max_size=12))
def test_a_path_is_what_it_is_joined_and_normalised(path: str) -> None:
    assert _below("lib/site-packages", path) == posixpath.normpath(posixpath.join("lib/site-packages", path))
