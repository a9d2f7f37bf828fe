"""The interpreter a project asks for, among those of this machine. Never silently another one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from projrun.core.errors import EnvironmentFailure
from projrun.core.regex import regex
from projrun.core.values import Struct
from projrun.environment import places
from projrun.environment.model import Interpreter
from projrun.environment.probe import Described, Descriptions

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_SERIES = regex(r"\d+(\.\d+)?")
_EXACT = regex(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
_FINAL = regex(r"\d+\.\d+\.\d+")
_NEAREST = regex(r"(\d+\.\d+\.\d+) or nearest")


class Wanted(Struct, frozen=True):
    """Which versions will do: a series ("3.11"), one version ("3.11.7"), or a range (">=3.10,<3.14").

    "3.11.7 or nearest" is that version, or the one of its series that is least far away.
    """

    text: str

    @property
    def preferred(self) -> str | None:
        """The version that the nearest one is asked for of; None when it is not."""
        found = _NEAREST.fullmatch(self.text)
        return found[1] if found else None

    @property
    def is_range(self) -> bool:
        return not (_SERIES.fullmatch(self.text) or _EXACT.fullmatch(self.text) or self.preferred)

    def may_fit(self, series: str | None) -> bool:
        """Whether an interpreter of this series can fit; True when the series is not known."""
        if series is None or self.is_range:
            return True
        return f"{self.text}.".startswith(f"{series}.") or f"{series}.".startswith(f"{self.text}.")

    def fits(self, version: str) -> bool:
        """Whether this version does. A pre-release does only when it is named exactly."""
        if _EXACT.fullmatch(self.text):
            return version == self.text
        if not _FINAL.fullmatch(version):
            return False
        if _SERIES.fullmatch(self.text):
            return version.startswith(f"{self.text}.")
        return self._specifiers.contains(version)

    @cached_property
    def _specifiers(self) -> SpecifierSet:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            return SpecifierSet(self.text)
        except InvalidSpecifier:
            raise EnvironmentFailure(
                f"environment.python: {self.text!r} is not a Python version",
                why="It is a series (3.11), an exact version (3.11.7) or a range (>=3.10,<3.14).",
                hint='write, for example, python: "3.11" in ProjectSpec.yaml',
            ) from None


class Missing(EnvironmentFailure):
    """No interpreter of this machine is the one that is asked for. ``found`` are those that there are."""

    def __init__(self, what: str, *, why: str, hint: str, found: tuple[Interpreter, ...]) -> None:
        super().__init__(what, why=why, hint=hint)
        self._found = found

    def with_words(self, what: str, hint: str) -> Missing:
        """The same error, said to somebody who asks for another reason."""
        return Missing(what, why=self.why, hint=hint, found=self._found)

    @property
    def brief(self) -> str:
        """The versions alone: their paths would fill a page when it is one line."""
        versions = dict.fromkeys(one.version for one in self._found)
        return f"found {', '.join(versions)}" if versions else self.why


def find(requirement: str, cache: Path) -> Interpreter:
    """The interpreter for ``requirement``: the first that fits on PATH, else the newest that fits anywhere.

    Only ordinary CPython is chosen: no free-threaded and no debug build. Raises Missing, which lists what there
    is, and EnvironmentFailure when ``requirement`` is no version.
    """
    wanted = Wanted(requirement.strip())
    if wanted.preferred is not None:
        return _nearest(wanted.preferred, cache)
    descriptions = Descriptions(cache)
    try:
        chosen = next(_fitting(wanted, places.on_path(wanted.may_fit), descriptions), None)
        if chosen is None:
            elsewhere = _fitting(wanted, places.in_folders(), descriptions)
            chosen = max(elsewhere, key=lambda found: _order(found.version), default=None)
    finally:
        descriptions.save()
    if chosen is None:
        raise _not_found(wanted, installed(cache))
    return chosen


def _nearest(version: str, cache: Path) -> Interpreter:
    """That version, or the one of its series with the nearest number. Raises Missing."""
    with contextlib.suppress(Missing):
        return find(version, cache)
    series, _, patch = version.rpartition(".")
    descriptions = Descriptions(cache)
    candidates = (*places.on_path(), *places.in_folders())
    fitting = list(_fitting(Wanted(series), candidates, descriptions))
    descriptions.save()
    if not fitting:
        raise _not_found(Wanted(series), installed(cache))
    return min(fitting, key=lambda one: abs(_order(one.version)[2] - int(patch)))


def installed(cache: Path) -> tuple[Interpreter, ...]:
    """Every interpreter of this machine that runs, oldest version first, each once."""
    descriptions = Descriptions(cache)
    found: dict[Path, Interpreter] = {}
    for candidates in (places.on_path(), places.in_folders()):
        for executable in candidates:
            described = descriptions.of(executable)
            if described is not None:
                found.setdefault(described.interpreter.path, described.interpreter)
    descriptions.save()
    return tuple(sorted(found.values(), key=lambda one: (_order(one.version), str(one.path))))


def _fitting(wanted: Wanted, candidates: Iterable[Path], descriptions: Descriptions) -> Iterator[Interpreter]:
    for executable in candidates:
        if not (wanted.may_fit(places.series_of(executable)) and wanted.may_fit(_real_series(executable))):
            continue
        described = descriptions.of(executable)
        if described is not None and _will_do(described, wanted):
            yield described.interpreter


def _real_series(executable: Path) -> str | None:
    try:
        return places.series_of(executable.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return None


def _will_do(described: Described, wanted: Wanted) -> bool:
    return described.usual and wanted.fits(described.interpreter.version)


def _order(version: str) -> tuple[int, int, int, bool, str]:
    """Sorts versions: numbers by value, a pre-release before its release."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)(.*)", version)
    if match is None:
        return (0, 0, 0, False, version)
    major, minor, micro, rest = match.groups()
    return (int(major), int(minor), int(micro), not rest, rest)


def _not_found(wanted: Wanted, found: tuple[Interpreter, ...]) -> Missing:
    listed = "".join(f"\n  {one.version:<10} {_kind(one)}{one.path}" for one in found)
    exact = wanted.text if not wanted.is_range else "VERSION"
    return Missing(
        f"no Python {wanted.text} on this machine",
        why=f"Found:{listed}" if found else "No Python was found on PATH or in the usual folders.",
        hint=f"install one (`uv python install {exact}` or `pyenv install {exact}`), "
        f"{'' if wanted.is_range else 'let uv do it (--allow-download), '}"
        "or change environment.python in ProjectSpec.yaml",
        found=found,
    )


def _kind(interpreter: Interpreter) -> str:
    return "" if interpreter.implementation == "cpython" else f"{interpreter.implementation} "
