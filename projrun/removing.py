"""The flows of ``projrun env remove`` and ``prune``: which environments go, and what keeps one from going."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from projrun.core.errors import EngineFailure, EnvironmentFailure
from projrun.core.removal import size_of
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.environment import inventory
from projrun.environments import Listed, Places, listed, one_key
from projrun.store.scratch import dead, folder_in, sweep

if TYPE_CHECKING:
    from projrun.environment.docker.strays import Stray


class Wish(Struct, frozen=True):
    """Which environments are to go: not used for so many seconds, and (``unused``) by no run of the store."""

    older_than: float | None = None
    unused: bool = False


class Pruned(Struct, frozen=True):
    """What goes, or would: environments, what was left behind, and what was with the container engine.

    ``held`` are in use, and stay; ``failed`` could not be removed, key and reason. ``unasked`` says why the
    engine was not asked, when there are images in the cache.
    """

    removed: tuple[Listed, ...]
    leftovers: tuple[tuple[Path, int], ...]
    held: tuple[str, ...] = ()
    failed: tuple[tuple[str, EnvironmentFailure], ...] = ()
    strays: tuple[Stray, ...] = ()
    unasked: EngineFailure | None = None


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
    scratch = dead(folder_in(places.cache))
    left = tuple((path, size_of(path)) for path in (*inventory.leftovers(places.cache), *scratch))
    if dry_run:
        strays, unasked = _strays(places.cache, dry_run=True)
        return Pruned(tuple(going), left, tuple(held), strays=strays, unasked=unasked)
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
    sweep(folder_in(places.cache))
    removed_left = tuple(one for one in left if not one[0].exists())
    strays, unasked = _strays(places.cache, dry_run=False)
    return Pruned(tuple(gone), removed_left, tuple(held), tuple(failed), strays, unasked)


def _strays(cache: Path, *, dry_run: bool) -> tuple[tuple[Stray, ...], EngineFailure | None]:
    """What was left behind with the engine, removed unless ``dry_run``; or why the engine was not asked."""
    if not inventory.has_images(cache):  # then this machine may have no engine, and need none
        return (), None
    from projrun.core.engine.client import connect
    from projrun.environment.docker import strays

    try:
        engine = connect()
        found = tuple(strays.strays(cache, engine))
        for one in () if dry_run else found:
            strays.remove(one, engine)
    except EngineFailure as failure:
        return (), failure
    return found, None


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
