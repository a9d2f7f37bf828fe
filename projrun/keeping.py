"""Bytes that go to the store: inputs that the spec wants kept, and the outputs of runs in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from projrun.concealing import Secret, unkept
from projrun.core import cache as caches
from projrun.core.amounts import size
from projrun.core.errors import DataError, StoreError, system_reason
from projrun.core.flags import Flag
from projrun.core.paths import escape_reason, is_below
from projrun.core.values import replace
from projrun.data.model import Fingerprint
from projrun.data.tree import mark_of_files, stat_mark, uncopied
from projrun.environment.model import Environment
from projrun.recipe.model import KeptFile
from projrun.spec.model import DataEntry
from projrun.store.objects import Objects
from projrun.store.outputs import keep_files, keep_output

# Of a directory that is kept, what its digest leaves out too.
_WITHOUT = (".git",)


def keep_inputs(
    entries: Sequence[DataEntry],
    found: Sequence[Fingerprint],
    root: Path,
    objects: Objects,
    cache: Path,
    secrets: Sequence[Secret] = (),
) -> tuple[Fingerprint, ...]:
    """The inputs, with their objects where the spec says ``keep``; what is in the store already is not read.

    What holds one of the ``secrets`` is not kept, and says so.

    Raises DataError for one that changes meanwhile, and StoreError.
    """
    wanted = {entry.name for entry in entries if entry.keep}
    return tuple(
        unkept(one, root, secrets) or _kept(one, root, objects, cache) if one.name in wanted else one
        for one in found
    )


def _kept(found: Fingerprint, root: Path, objects: Objects, cache: Path) -> Fingerprint:
    path = root / found.path
    try:
        if found.kind == "file":
            return replace(found, kept=objects.put_file(path, found.sha256))
        known = caches.recall(_place(cache, found), lambda value: str(value["object"]))
        if known and objects.touch(known):
            return replace(found, kept=known)
        if found.kind == "glob":
            kept = keep_files(objects, root, found.members)
        elif reason := uncopied(path):
            return replace(found, unkept=reason)
        else:
            kept = keep_output(objects, path, without=_WITHOUT)
    except OSError as error:
        raise _unkept(found, system_reason(error, path)) from error
    except StoreError as error:
        if _mark(found, root) == found.seen:
            raise
        raise _unkept(found, "somebody writes it") from error
    if _mark(found, root) != found.seen:
        raise _unkept(found, "somebody writes it")
    caches.keep(_place(cache, found), {"object": kept})
    return replace(found, kept=kept)


def _mark(found: Fingerprint, root: Path) -> str | None:
    return mark_of_files(found.members, root) if found.members else stat_mark(root / found.path)


def _place(cache: Path, found: Fingerprint) -> Path:
    """Where it is remembered under what list a directory of that digest is kept."""
    return cache / "kept" / f"{found.sha256}.json"


def _unkept(found: Fingerprint, why: str) -> DataError:
    return DataError(
        f"input {found.name!r} cannot be kept: {found.path}",
        why=why,
        hint=f"wait until it is complete, then run again; or take keep out of data.{found.name}",
    )


def keep_outputs(
    outputs: Sequence[Fingerprint], root: Path, objects: Objects, limit: int
) -> tuple[tuple[Fingerprint, ...], tuple[Flag, ...]]:
    """Keeps outputs of a run in place, as long as all of them come to ``limit`` bytes; the flags tell what is not.

    They stay where they are, whatever happens.
    """
    kept: dict[str, Fingerprint] = {}
    flags: list[Flag] = []
    over: list[Fingerprint] = []
    room = limit
    for found in outputs:
        kept[found.path] = found
        if found.kind not in ("file", "directory") or found.stale or _is_in(found, kept):
            continue
        if found.size > room:
            over.append(found)
            continue
        try:
            kept[found.path] = replace(found, kept=_put(objects, root, found))
            room -= found.size
        except (OSError, StoreError) as error:
            why = system_reason(error, found.path) if isinstance(error, OSError) else error.why or error.what
            flags.append(Flag("output-not-kept", f"output {found.path!r} is not kept in the store: {why}"))
    if over and limit:
        flags.append(_over(over, outputs, limit))
    return tuple(kept.values()), tuple(flags)


def _is_in(found: Fingerprint, kept: Mapping[str, Fingerprint]) -> bool:
    """Whether it lies in a directory that is kept."""
    return any(one.kept and is_below(found.path, [one.path]) for one in kept.values() if one is not found)


def _put(objects: Objects, root: Path, found: Fingerprint) -> str:
    if reason := escape_reason(root, found.path):
        raise OSError(0, reason, found.path)
    return keep_output(objects, root / found.path, found.sha256)


def _over(over: Sequence[Fingerprint], outputs: Sequence[Fingerprint], limit: int) -> Flag:
    names = ", ".join(f"{found.path} ({size(found.size)})" for found in over)
    total = sum(found.size for found in outputs if not found.stale)
    needed = -(-total // 1_000_000)
    message = f"not kept in the store, where the outputs of a run may come to {size(limit)}: {names}"
    return Flag("output-not-kept", message, f"projrun run --keep-outputs {needed}MB")


def keep_build_log(environment: Environment, objects: Objects) -> KeptFile | None:
    """What the image's builder said goes where it lasts longer than the image. Raises StoreError."""
    log = environment.image.build_log if environment.image else None
    if log is None:
        return None
    try:
        return KeptFile(objects.put_file(log), log.stat().st_size)
    except OSError:  # somebody cleaned up the cache: the run can do without
        return None
