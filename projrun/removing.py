"""The flows of ``projrun env remove`` and ``prune``: which environments go, and what keeps one from going."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.report import Reporter
from projrun.environment import inventory
from projrun.environments import Listed, Places, listed, one_key


@dataclass(frozen=True)
class Wish:
    """Which environments are to go: not used for so many seconds, and (``unused``) by no run of the store."""

    older_than: float | None = None
    unused: bool = False


@dataclass(frozen=True)
class Pruned:
    """What goes, or would: environments, and what was left behind.

    ``held`` are in use, and stay; ``failed`` could not be removed, key and reason.
    """

    removed: tuple[Listed, ...]
    leftovers: tuple[tuple[Path, int], ...]
    held: tuple[str, ...] = ()
    failed: tuple[tuple[str, EnvironmentFailure], ...] = ()


def removed(
    words: Sequence[str], cache: Path, report: Reporter
) -> Iterator[tuple[str, EnvironmentFailure | None]]:
    """Removes the environments that the words stand for, one by one, and gives the key of each when it is gone.

    Of one that cannot be removed also why not. Raises UsageError, and then removes nothing.
    """
    for key in dict.fromkeys([one_key(word, cache) for word in words]):
        yield key, _failure_to_remove(key, cache, report)


def prune(places: Places, wish: Wish, report: Reporter, *, dry_run: bool = False) -> Pruned:
    """Removes what is wished away, and leftovers. Never what a live run uses.

    One that comes into use meanwhile, or cannot be removed, keeps none of the others.
    """
    chosen = [one for one in listed(places) if _is_wished(one, wish)] if wish != Wish() else []
    held = [one.kept.key for one in chosen if one.kept.in_use]
    going = [one for one in chosen if not one.kept.in_use]
    left = tuple((path, inventory.size_of(path)) for path in inventory.leftovers(places.cache))
    if dry_run:
        return Pruned(tuple(going), left, tuple(held))
    gone, failed = [], []
    for one in going:
        failure = _failure_to_remove(one.kept.key, places.cache, report)
        if failure is None:
            gone.append(one)
        elif isinstance(failure, inventory.InUse):
            held.append(one.kept.key)
        else:
            failed.append((one.kept.key, failure))
    inventory.remove_leftovers(places.cache)
    return Pruned(tuple(gone), tuple(one for one in left if not one[0].exists()), tuple(held), tuple(failed))


def _failure_to_remove(key: str, cache: Path, report: Reporter) -> EnvironmentFailure | None:
    try:
        inventory.remove(cache, key, report)
    except EnvironmentFailure as failure:
        return failure
    return None


def _is_wished(one: Listed, wish: Wish) -> bool:
    if wish.unused and one.runs:
        return False
    if wish.older_than is None:
        return True
    since = one.kept.last_used
    if since is None:
        try:
            since = one.kept.directory.stat().st_mtime
        except OSError:  # another process removed it
            return False
    return time.time() - since >= wish.older_than
