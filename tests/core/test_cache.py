"""What is kept to save time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from projrun.core.cache import keep, recall


def named(value: Any) -> str:
    return str(value["name"].strip())


def test_a_value_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "value.json"
    assert recall(file, named) is None
    keep(file, {"name": " odd\udcff ", "size": float("inf")})
    assert recall(file, named) == "odd\udcff"
    assert recall(file, lambda value: value["size"]) == float("inf")
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"name": 1}', b"\xff"])
def test_a_damaged_value_is_no_value(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "value.json").write_bytes(damage)
    assert recall(tmp_path / "value.json", named) is None


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keep(tmp_path / "file" / "value.json", 1)
    assert recall(tmp_path / "file" / "value.json", int) is None
