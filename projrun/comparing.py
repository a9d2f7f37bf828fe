"""The flow of ``projrun diff``: two runs of a store, and what makes them two."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projrun.core.errors import ProjrunError
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.recipe import comparison
from projrun.recipe.comparison import DIFFERS, SAME, UNKNOWN, Change, Layer
from projrun.recipe.facts import Documents
from projrun.restoring import held_source, restore_source
from projrun.source import difference
from projrun.source.difference import FileChange, Held, Pair
from projrun.spec.place import project_around
from projrun.store.run import RunRecord
from projrun.store.store import Store

if TYPE_CHECKING:
    from projrun.verdict.model import OutputFinding


class Places(Struct, frozen=True):
    """Where runs and commits are looked for, and the directory whose last runs ``last`` means."""

    store: Path
    cache: Path
    start: Path = Path()


class Code(Struct, frozen=True):
    """What differs between the files of two runs. ``why`` says what keeps them from being compared.

    ``before`` and ``after`` are what the recipes say of the source, None where there is no recipe. ``stat`` is
    git's list of files and ``patch`` the whole difference, as git prints them; empty when nobody asked for them.
    """

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    files: tuple[FileChange, ...] = ()
    stat: bytes = b""
    patch: bytes = b""
    why: str | None = None

    @property
    def state(self) -> str:
        """``same``, ``differs`` or ``unknown``."""
        if self.why is not None:
            return UNKNOWN
        return DIFFERS if self.files else SAME


class Difference(Struct, frozen=True):
    """Two runs, and what differs, layer by layer. ``took`` is how long they took, which is never the same.

    ``contents`` are the outputs that both wrote in other bytes, by what these hold where both are at hand.
    """

    before: RunRecord
    after: RunRecord
    code: Code
    layers: tuple[Layer, ...]
    took: Change | None
    contents: tuple[OutputFinding, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything is known to differ; how long they took does not count."""
        return DIFFERS in (self.code.state, *(layer.state for layer in self.layers))

    @property
    def unknown(self) -> Mapping[str, str]:
        """Why a layer cannot be compared, by its name."""
        found = {"code": self.code.why, **{layer.name: layer.why for layer in self.layers}}
        return {name: why for name, why in found.items() if why is not None}

    @property
    def is_same(self) -> bool:
        """Whether everything could be compared, and nothing differs."""
        return not self.differs and not self.unknown

    @property
    def are_of_two_projects(self) -> bool:
        """Whether the runs are of projects of two names."""
        project = next(layer for layer in self.layers if layer.name == "project")
        return any(change.what == "name" for change in project.changes)


class Wanted(Struct, frozen=True):
    """How much of the code is told: git's list of files, ``columns`` wide (None: not), the whole difference."""

    columns: int | None = 80
    patch: bool = False


def compare(first: str, second: str, places: Places, wanted: Wanted, report: Reporter) -> Difference:
    """What differs between two runs of the store. Asks no network.

    Raises UsageError for an unknown run. What one of them does not tell is said in its layer.
    """
    store, project = Store(places.store), project_around(places.start)
    before, after = (store.read(store.resolve(word, project)) for word in (first, second))
    documents = _documents(before), _documents(after)
    return Difference(
        before,
        after,
        _code(before, after, places, wanted, report),
        comparison.layers(*documents),
        comparison.took(*documents),
        _contents(before, after, store),
    )


def _contents(before: RunRecord, after: RunRecord, store: Store) -> tuple[OutputFinding, ...]:
    """What differs in the outputs that both runs wrote; nothing of a damaged record, which its layer tells."""
    from projrun.matching import Side, match  # verdicts are slow to import, and most runs write the same again

    try:
        written = [_written(record) for record in (before, after)]
        first, second = (
            Side([one for path, one in mine.items() if _is_another(one, others.get(path))], store.objects, source)
            for (mine, source), (others, _) in (written, reversed(written))
        )
        return match(first, second)
    except (LookupError, TypeError, ValueError, AttributeError):
        return ()


def _written(record: RunRecord) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The outputs of a run that it wrote itself, by their paths, and its source."""
    outputs = record.outcome["outputs"] if record.outcome else ()
    source = _source(record) or {}
    return {str(one["path"]): one for one in outputs if one["sha256"] and not one["stale"]}, source


def _is_another(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    return other is not None and other["kind"] == one["kind"] and other["sha256"] != one["sha256"]


def _documents(record: RunRecord) -> Documents:
    why = f" ({record.why_incomplete})" if record.why_incomplete else ""
    missing = {
        "start": f"run {record.id} does not say what it is a run of{why}",
        "recipe": f"run {record.id} has no recipe: {record.why_no_recipe}",
        "outcome": f"run {record.id} has no outcome{why or ': it is not over'}",
    }
    return Documents(record.id, record.status, record.start, record.recipe, record.outcome, missing)


def _code(before: RunRecord, after: RunRecord, places: Places, wanted: Wanted, report: Reporter) -> Code:
    told = _source(before), _source(after)
    if not (told[0] and told[1]):
        lacking = [record.id for record, source in zip((before, after), told, strict=True) if not source]
        return Code(*told, why=f"run {' and run '.join(lacking)} did not come to record its code")
    if _name(told[0]) and _name(told[0]) == _name(told[1]):
        return Code(*told)
    try:
        with _pair(before, after, places, report) as pair:
            files = pair.files()
            stat = pair.stat(wanted.columns) if files and wanted.columns else b""
            return Code(*told, files=files, stat=stat, patch=pair.patch() if files and wanted.patch else b"")
    except (ProjrunError, OSError) as error:
        why = f"{error.what}: {error.brief}" if isinstance(error, ProjrunError) else str(error)
        return Code(*told, why=why)


def _source(record: RunRecord) -> Mapping[str, Any] | None:
    source = record.recipe.get("source") if record.recipe else None
    return source if isinstance(source, dict) else None


def _name(source: Mapping[str, Any]) -> Any:
    return source.get("snapshot") or source.get("commit")


@contextlib.contextmanager
def _pair(before: RunRecord, after: RunRecord, places: Places, report: Reporter) -> Iterator[Pair]:
    """The two as git can compare them: as they are stored, or written out where the one is of files as they were
    on disk and the other as they are in a repository, which need not be the same.
    """
    held = [held_source(places.store, places.cache, record.id, report) for record in (before, after)]
    with contextlib.ExitStack() as stack:
        if _comparable(held[0], held[1], Store(places.store).sources):
            yield stack.enter_context(difference.of_commits(*held))
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="projrun-")))
        written = folder / "before", folder / "after"
        for record, place in zip((before, after), written, strict=True):
            restore_source(places.store, places.cache, record.id, place, report, offline=True)
        yield stack.enter_context(difference.of_files(*written))


def _comparable(before: Held, after: Held, snapshots: Path) -> bool:
    if not difference.are_alike(before, after):
        return False
    of_disk = [one.directory == snapshots for one in (before, after)]
    return of_disk[0] == of_disk[1] or all(map(difference.is_plain, (before, after)))
