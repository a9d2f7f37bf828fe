"""What changes between looking at the environments and removing them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun import environments, removing
from projrun.core import locks
from projrun.core.report import Silent
from projrun.environment import built, uses
from projrun.environments import Listed, Places
from projrun.removing import Wish

KEYS = ["a" * 64, "b" * 64, "c" * 64, "d" * 64]
USED, STUCK, GONE, LAST = KEYS


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A cache with four environments, of which the lock of the second cannot be taken."""
    cache = tmp_path / "cache"
    for key in KEYS:
        built.directory_of(cache, key).mkdir(parents=True)
    built.lock_of(built.directory_of(cache, STUCK)).mkdir(parents=True)
    return Places(cache, tmp_path / "store")


@pytest.fixture
def meanwhile(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Right after the list was made a run begins to use the first, and the third is removed by another process."""
    usual = environments.listed
    with contextlib.ExitStack() as stack:

        def listed(places: Places) -> tuple[Listed, ...]:
            found = usual(places)
            file = uses.file_of(built.directory_of(places.cache, USED))
            file.parent.mkdir(exist_ok=True)
            stack.enter_context(locks.shared(file))
            built.directory_of(places.cache, GONE).rmdir()
            return found

        monkeypatch.setattr(removing, "listed", listed)
        yield


@pytest.mark.usefixtures("meanwhile")
def test_pruning_goes_on_past_what_came_into_use_or_cannot_be_removed(places: Places) -> None:
    pruned = removing.prune(places, Wish(unused=True), Silent())
    assert pruned.held == (USED,)
    assert [key for key, _ in pruned.failed] == [STUCK]
    assert LAST in [one.kept.key for one in pruned.removed]
    left = sorted(path.name for path in (places.cache / "environments").iterdir() if path.name in KEYS)
    assert left == [USED, STUCK]


def test_removing_by_name_goes_on_past_what_cannot_be_removed(places: Places) -> None:
    outcome = dict(removing.removed([STUCK[:8], GONE[:8], GONE[:9], LAST], places.cache, Silent()))
    assert {key: failure is None for key, failure in outcome.items()} == {STUCK: False, GONE: True, LAST: True}
    failure = outcome[STUCK]
    assert failure is not None
    assert "cannot be removed" in failure.what
