"""Declared data beside its pins: how it is, whether it holds, and new pins written into the specification."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from projrun.core.errors import DataError, SpecError, UsageError
from projrun.core.files import written_aside
from projrun.core.nearest import nearest
from projrun.core.paths import is_below
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.data.status import WRONG, Status, statuses
from projrun.spec import check, load
from projrun.spec.model import SPEC_NAME, DataEntry, ProjectSpec
from projrun.spec.place import find_project
from projrun.spec.text import decode, shown_name

_BOM = b"\xef\xbb\xbf"


class Asked(Struct, frozen=True):
    """What somebody wants to know of: a project, the names of its data (none: all), where to look and tell.

    Without ``cache`` nothing that is remembered counts.
    """

    start: Path
    names: tuple[str, ...]
    cache: Path
    report: Reporter
    anew: bool = False


class Pinned(Struct, frozen=True):
    """``pinned`` were written, or would be; ``refused`` are those that need a word or are not there."""

    file: str
    pinned: tuple[Status, ...]
    refused: tuple[Status, ...]
    as_they_were: tuple[Status, ...]
    written: bool


def look(asked: Asked) -> tuple[Status, ...]:
    """The data as it is. Raises SpecError, and UsageError for a name that is not declared."""
    spec = load.load(find_project(asked.start), asked.cache)
    return _look(asked, spec, _entries(asked, spec))


def pin(asked: Asked, *, only_check: bool = False) -> Pinned:
    """Writes the pins of data that has none, and new ones where they are asked for by name.

    What differs from its pin is pinned anew only when it is named, for that is what a pin is there to find.
    Without names, what the project's entry points make is left out. Raises SpecError and UsageError, and DataError
    when data that is named is not there.
    """
    spec = load.load(find_project(asked.start), asked.cache)
    made = [path for one in spec.entry_points.values() for path in one.products]
    entries = [one for one in _entries(asked, spec) if asked.names or not is_below(one.path, made)]
    found = _look(asked, spec, entries)
    gone = [one for one in found if one.state in ("missing", "unreadable")]
    if gone and asked.names:
        raise _gone(gone[0])
    wanted = ("unpinned", "differs") if asked.names else ("unpinned",)
    pins = tuple(one for one in found if one.state in wanted)
    refused = tuple(one for one in found if one.state in WRONG and one not in pins)
    if pins and not only_check:
        _write(spec, {one.entry.name: str(one.found and one.found.sha256) for one in pins})
    same = tuple(one for one in found if one.state in ("pinned", "remote"))
    return Pinned(shown_name(spec.root), pins, refused, same, written=bool(pins) and not only_check)


def _entries(asked: Asked, spec: ProjectSpec) -> list[DataEntry]:
    for name in asked.names:
        if name not in spec.data:
            close = nearest(name, spec.data)
            raise UsageError(
                f"there is no data {name!r}",
                why=f"the project declares {', '.join(spec.data) or 'none'}",
                hint=f"projrun data status {close}" if close else f"declare it under data in {SPEC_NAME}",
            )
    return [spec.data[name] for name in dict.fromkeys(asked.names or spec.data)]


def _look(asked: Asked, spec: ProjectSpec, entries: Sequence[DataEntry]) -> tuple[Status, ...]:
    return statuses(entries, spec.root, None if asked.anew else asked.cache, asked.report)


def _gone(one: Status) -> DataError:
    name, path = one.entry.name, one.entry.path
    return DataError(
        f"data {name!r} cannot be pinned: {path} is {one.state}",
        why=one.why or "there is nothing to take a hash of",
        hint=one.hint or f"put it there, or mend data.{name} in {SPEC_NAME}",
    )


def _write(spec: ProjectSpec, pins: dict[str, str]) -> None:
    """Writes the file anew, whole or not at all, behind a link where it is one. Raises SpecError."""
    from projrun.spec.pins import with_pins  # brings all that reads YAML

    file = shown_name(spec.root)
    path = (spec.root / SPEC_NAME).resolve()
    try:
        before = path.read_bytes()
        if decode(before, file) != spec.text:
            raise _changed_meanwhile(file)
        text = with_pins(spec.text, file, pins)
        if problems := check.examine(text, spec.root).refusing:
            raise SpecError(f"{file} would be wrong with these pins", problems=problems)
        with written_aside(path) as aside:
            aside.write_bytes((_BOM if before.startswith(_BOM) else b"") + text.encode())
            shutil.copymode(path, aside)
            if path.read_bytes() != before:
                raise _changed_meanwhile(file)
    except OSError as error:
        hint = "the file and its directory must be yours to write"
        raise SpecError(f"{file} cannot be written", why=error.strerror or str(error), hint=hint) from error


def _changed_meanwhile(file: str) -> SpecError:
    return SpecError(f"{file} changed meanwhile", why="somebody else writes it", hint="projrun data pin")
