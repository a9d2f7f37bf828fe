"""pylock.toml (PEP 751, https://packaging.python.org/en/latest/specifications/pylock-toml/) as lines of a lock.

Only packages of an index have a place in a lock: name, version, and the hashes of their files. Where to download
from is the business of the machine, so the addresses of the files are not followed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from projrun.core.errors import Problem
from projrun.core.nearest import did_you_mean
from projrun.environment.lock import DIGEST_LENGTHS, LockLine, normalised
from projrun.environment.text import parse_toml

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
    from packaging.tags import Tag

    from projrun.environment.locked import Target

_PACKAGE = re.compile(r"\s*\[\[\s*packages\s*\]\]")
_INDEX = re.compile(r"packages\[(\d+)\]")
_AT_LINE = re.compile(r"at line (\d+)")
_LOCK_AGAIN = "lock it again with the tool that made it"
_RELEASED = "name a released version, and lock it again"
_DIRECT = {
    "vcs": ("a repository, whose commit no hash of a file pins", _RELEASED),
    "directory": ("a directory, which no hash pins", "lock it without the project itself (uv: --no-emit-project)"),
    "archive": ("an address of its own and not an index", _RELEASED),
}


class _Wrong(NamedTuple):
    """What is wrong with a package, and what mends it."""

    message: str
    mend: str = _LOCK_AGAIN


def read(text: str, file: str, target: Target | None) -> tuple[tuple[LockLine, ...], tuple[Problem, ...]]:
    """The lines for a target, and everything that is wrong for it.

    Without a target there are no lines, and only what is wrong for every one is found.
    """
    document = _document(text, file)
    if isinstance(document, Problem):
        return (), (document,)
    places = _Places(text, file, len(document.packages))
    if target is None:
        return (), ()
    found = [
        *_for_this_python(document, target, places),
        *_chosen(document, target, places),
    ]
    if found:
        return (), tuple(found)
    try:
        applying = [_applies(one, document, target) for one in document.packages]
    except ValueError as error:  # a marker that compares what cannot be compared
        return (), (places.problem(0, _Wrong(f"a marker cannot be evaluated: {error}")),)
    packages = [(number, one) for number, one in enumerate(document.packages) if applying[number]]
    return _lines(packages, target, places)


class _Places:
    """Where the packages of a file are; what has no place of its own is in the first line."""

    def __init__(self, text: str, file: str, count: int) -> None:
        rows = text.splitlines()
        found = [number for number, row in enumerate(rows, 1) if _PACKAGE.match(row)]
        self._rows = rows
        self._file = file
        self._packages = found if len(found) == count else [1] * count

    def line(self, package: int) -> int:
        return self._packages[package] if package < len(self._packages) else 1

    def problem(self, package: int, wrong: _Wrong) -> Problem:
        return Problem(self._file, self.line(package), 1, *wrong)

    def of_key(self, key: str, wrong: _Wrong) -> Problem:
        rows = (number for number, row in enumerate(self._rows, 1) if re.match(rf"\s*{key}\s*=", row))
        return Problem(self._file, next(rows, 1), 1, *wrong)


def _document(text: str, file: str) -> Pylock | Problem:
    from packaging.pylock import Pylock, PylockValidationError

    try:
        values = parse_toml(text)
    except (ValueError, RecursionError) as error:
        place = _AT_LINE.search(str(error))
        return Problem(file, int(place[1]) if place else 1, 1, f"this is not TOML: {error}", _LOCK_AGAIN)
    try:
        return Pylock.from_dict(values)
    except PylockValidationError as error:
        index = _INDEX.search(error.context or "")
        places = _Places(text, file, len(values["packages"]) if index else 0)
        return places.problem(int(index[1]) if index else 0, _Wrong(f"this is not a pylock.toml: {error}"))


def _for_this_python(document: Pylock, target: Target, places: _Places) -> Iterator[Problem]:
    python = target.markers["python_full_version"]
    wanted = document.requires_python
    if wanted and not wanted.contains(python, prereleases=True):
        mend = "lock it for this Python, or change environment.python"
        yield places.of_key("requires-python", _Wrong(f"the lock is for Python {wanted}, not {python}", mend))
    environments = document.environments
    if environments and not any(_true(one, target.markers) for one in environments):
        message = "the lock is for other platforms or interpreters: " + "; ".join(map(str, environments))
        yield places.of_key("environments", _Wrong(message, "lock it for this one too"))


def _chosen(document: Pylock, target: Target, places: _Places) -> Iterator[Problem]:
    """That of a lock with several sets of packages the spec says which, and no other."""
    for key, kind, has, asked, default in (
        ("extras", "extra", document.extras or (), target.extras, ()),
        ("groups", "group", document.dependency_groups or (), target.groups, document.default_groups or ()),
    ):
        where = "dependency-groups" if key == "groups" else key
        if asked is None and has:
            usual = f"[{', '.join(default)}]"
            message = f"the lock has {key} ({', '.join(has)}), and the spec does not say which are wanted"
            yield places.of_key(where, _Wrong(message, f"environment.{key}: {usual} in ProjectSpec.yaml"))
        known = {normalised(name): name for name in has}
        for name in asked or ():
            if normalised(name) not in known and not (target.settled and not has):
                mend = did_you_mean(name, has) or _LOCK_AGAIN
                yield places.of_key(where, _Wrong(f"the lock has no {kind} {name!r}", mend))


def _applies(package: Package, document: Pylock, target: Target) -> bool:
    if package.marker is None:
        return True
    sets = {
        "extras": _as_written(target.extras, document.extras),
        "dependency_groups": _as_written(target.groups, document.dependency_groups),
    }
    environment: Any = {**target.markers, **sets}
    return package.marker.evaluate(environment, context="lock_file")


def _as_written(asked: Collection[str] | None, has: Iterable[str] | None) -> frozenset[str]:
    """The chosen names in the spelling of the lock, which its markers use."""
    wanted = {normalised(name) for name in asked or ()}
    return frozenset(name for name in has or () if normalised(name) in wanted)


def _true(marker: Any, markers: Mapping[str, str]) -> bool:
    return bool(marker.evaluate({**markers, "extra": ""}))


def _lines(
    packages: list[tuple[int, Package]], target: Target, places: _Places
) -> tuple[tuple[LockLine, ...], tuple[Problem, ...]]:
    lines: dict[str, LockLine] = {}
    found: list[Problem] = []
    tags = _tags(target.markers) if target.here else None
    for number, package in packages:
        hashes = _hashes(package, target, tags)
        if isinstance(hashes, _Wrong):
            found.append(places.problem(number, hashes))
        elif package.name in lines:
            earlier = lines[package.name].line
            wrong = _Wrong(f"{package.name} is there twice for this interpreter, here and in line {earlier}")
            found.append(places.problem(number, wrong))
        else:
            line = places.line(number)
            lines[package.name] = LockLine(package.name, str(package.version), "", hashes, line)
    return tuple(sorted(lines.values())), tuple(found)


def _hashes(package: Package, target: Target, tags: frozenset[Tag] | None) -> tuple[str, ...] | _Wrong:
    """The hashes of the files that may be installed (without ``tags``: on any platform), or what is wrong."""
    for kind, (what, mend) in _DIRECT.items():
        if getattr(package, kind) is not None:
            return _Wrong(f"{package.name} comes from {what}", mend)
    if package.version is None:
        return _Wrong(f"{package.name} has no version")
    python = target.markers["python_full_version"]
    if package.requires_python and not package.requires_python.contains(python, prereleases=True):
        mend = "lock it for this Python, or change environment.python"
        return _Wrong(f"{package.name} {package.version} is for Python {package.requires_python}", mend)
    wheels = list(package.wheels or ())
    fitting = [wheel for wheel in wheels if tags is None or _fits(wheel, tags)]
    may_build = package.name in {normalised(name) for name in target.source_distributions}
    files = [*(wheels if fitting else ()), *([package.sdist] if package.sdist and may_build else [])]
    if not files:
        mend = f"choose another version or Python, or name {package.name} under environment.source_distributions"
        return _Wrong(f"{package.name} {package.version} has no wheel for this platform and interpreter", mend)
    needed = fitting or files
    if not all(map(_strong, needed)):
        names = ", ".join(one.filename for one in needed if not _strong(one))
        return _Wrong(f"{names} has no hash that pins it; sha256 is needed")
    return tuple(sorted({value for one in files for value in _strong(one)}))


def _strong(file: PackageWheel | PackageSdist) -> tuple[str, ...]:
    """The hashes of a file that pin it, as ``algorithm:digest``."""
    return tuple(
        f"{algorithm}:{digest.lower()}"
        for algorithm, digest in file.hashes.items()
        if len(digest) == DIGEST_LENGTHS.get(algorithm) and re.fullmatch("[0-9a-fA-F]+", digest)
    )


def _fits(wheel: PackageWheel, tags: frozenset[Tag]) -> bool:
    from packaging.utils import parse_wheel_filename

    return not parse_wheel_filename(wheel.filename)[3].isdisjoint(tags)


def _tags(markers: Mapping[str, str]) -> frozenset[Tag]:
    """The wheel tags of an ordinary CPython of that version on this machine."""
    from packaging.tags import compatible_tags, cpython_tags, platform_tags

    major, minor = (int(part) for part in markers["python_full_version"].split(".")[:2])
    name, platforms = f"cp{major}{minor}", list(platform_tags())
    version = (major, minor)
    return frozenset((*cpython_tags(version, [name], platforms), *compatible_tags(version, name, platforms)))
