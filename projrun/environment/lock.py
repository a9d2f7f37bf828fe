"""Locks: requirements lines, each pinned and hashed.

The format is pip's requirements file (https://pip.pypa.io/en/stable/reference/requirements-file-format/) as
``projrun lock``, ``uv pip compile --generate-hashes`` and ``pip-compile --generate-hashes`` write it; of that
format a lock holds ``name[extras]==version ; marker --hash=algorithm:digest`` and nothing else. Locks of the other
format are read by :mod:`projrun.environment.pylock`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from projrun.core.errors import EnvironmentFailure, Problem
from projrun.core.userinfo import without_userinfo

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_WEAK = ("md5", "sha1", "sha224")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_HEX = re.compile(r"[0-9a-f]+")
_HASH_OPTION = re.compile(r"\s--hash(?:=|\s+)(\S+)")
_OTHER_FORMAT = re.compile(r"\s*(\[\[?[\w.-]+\]\]?|[\w-]+ = .*|\{.*)")
_ADDRESS = re.compile(r"(git|hg|svn|bzr)\+|\w+://|[./~]|file:")
_NAME_A_VERSION = "name a released version"
_COMPILE_AGAIN = "compile it again"
COMPILE = "projrun lock"

CONFIGURE_INDEX = "remove the line and configure the index for uv or for pip (UV_DEFAULT_INDEX, PIP_INDEX_URL)"
INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host")
_REFUSED_OPTIONS = {
    ("-e", "--editable"): ("an editable install has no hash", "lock what it stands for, or run from its source"),
    ("-r", "--requirement", "-c", "--constraint"): (
        "a lock includes no other file",
        "put every line into the lock",
    ),
    INDEX_OPTIONS: (
        "a lock names no package index: addresses belong to the machine that installs",
        CONFIGURE_INDEX,
    ),
    ("--only-binary", "--no-binary", "--prefer-binary"): (
        "wheels or source distributions are chosen in ProjectSpec.yaml",
        "remove the line; name packages to build under environment.source_distributions",
    ),
    ("--require-hashes",): ("hashes are required in any case", "remove the line"),
}


class LockLine(NamedTuple):
    """One pinned distribution. ``name`` is normalised (PEP 503), ``hashes`` are ``algorithm:hex``."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    line: int
    extras: tuple[str, ...] = ()

    def applies(self, markers: Mapping[str, str]) -> bool:
        """Whether it is for an interpreter with these PEP 508 markers."""
        if not self.marker:
            return True
        from packaging.markers import Marker

        return Marker(self.marker).evaluate({**markers, "extra": ""})


def parse(text: str, file: str, command: str = COMPILE) -> tuple[LockLine, ...]:
    """The lines of a lock. Raises EnvironmentFailure that lists every line that is not pinned and hashed.

    ``command`` is what the user types to compile the lock, for errors.
    """
    lines, found = _read(text, file, command)
    found += _duplicates(list(lines), file, same_marker=True)
    raise_for(found, f"{file} is not a lock that can be trusted")
    return lines


def problems(
    text: str, file: str, markers: Mapping[str, str] | None = None, command: str = COMPILE
) -> tuple[Problem, ...]:
    """Everything wrong with a lock; with the ``markers`` of an interpreter, also what is wrong for that one.

    ``command`` is what the user types to compile the lock.
    """
    lines, found = _read(text, file, command)
    found += credentials(text, file)
    applying = [line for line in lines if markers is None or line.applies(markers)]
    if lines and not applying and not found:
        found.append(
            Problem(
                file,
                lines[0].line,
                1,
                "no line of the lock applies to this platform and interpreter",
                f"{command} compiles it for this one; with --platform NAME, for several",
            )
        )
    return (*found, *_duplicates(applying, file, same_marker=markers is None))


def text_of(lines: Iterable[LockLine]) -> str:
    """The lines as the text of a lock, without comments: what :func:`parse` reads as the same lines."""
    return "".join(f"{_written(line)}\n" for line in lines)


def pins(text: str) -> tuple[LockLine, ...] | None:
    """What a text pins, hashed or not; None when it is no file of requirements at all.

    For what is compiled again: its versions are worth keeping even where it is no lock yet.
    """
    found = []
    for number, content in logical_lines(text.removeprefix("\ufeff")):
        if option_of(content)[0]:
            continue
        hashes = tuple(value.lower() for value in _HASH_OPTION.findall(content))
        wanted = _HASH_OPTION.sub("", content).strip()
        requirement = _pinned(wanted)
        if isinstance(requirement, tuple):
            if not (_ADDRESS.match(wanted) or as_requirement(wanted)):
                return None
            continue
        strong = () if _wrong_hashes(requirement.name, hashes) else hashes
        found.append(_lock_line(requirement, strong, number))
    return tuple(found)


def credentials(text: str, file: str) -> list[Problem]:
    """The lines that hold user names or passwords of addresses, which would be recorded with the lock."""
    message, mend = "an address with a user name or password would be recorded", "take it out of the lock"
    return [
        Problem(file, number, 1, message, mend)
        for number, row in enumerate(text.splitlines(), 1)
        if without_userinfo(row) != row
    ]


def raise_for(found: list[Problem] | tuple[Problem, ...], what: str) -> None:
    """Raises EnvironmentFailure that lists the problems, the first one's hint as its own. No problems, nothing."""
    if not found:
        return
    shown = [f"{problem.place}: {problem.message}" for problem in found[:20]]
    if len(found) > len(shown):
        shown.append(f"... and {len(found) - len(shown)} more")
    raise EnvironmentFailure(what, why="\n".join(shown), hint=next((p.hint for p in found if p.hint), ""))


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their number, continuations joined, comments gone, empty ones left out; as pip reads them."""
    start = 0
    parts: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        is_comment = raw.lstrip().startswith("#")
        if not parts:
            start = number
        if raw.endswith("\\") and not is_comment:
            parts.append(raw[:-1])
            continue
        # A comment inside a continuation ends it, as in pip; a compiler's "# via" comes after the last hash.
        parts.append(" " + raw if is_comment else raw)
        yield from _without_comment(start, "".join(parts))
        parts = []
    if parts:
        yield from _without_comment(start, "".join(parts))


def option_of(line: str) -> tuple[str, str]:
    """The option that a logical line begins with and its value; two empty texts for a requirement."""
    if not line.startswith("-"):
        return "", ""
    match = re.match(r"(--[\w-]+|-\w)(?:\s*=\s*|\s*)(.*)", line)
    return (match.group(1), match.group(2).strip()) if match else (line, "")


def as_requirement(text: str) -> Requirement | None:
    """A PEP 508 requirement, or None when the text is none."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def normalised(name: str) -> str:
    """The one spelling of a distribution's name that names are compared by (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _without_comment(number: int, line: str) -> Iterator[tuple[int, str]]:
    stripped = _COMMENT.sub("", line).strip()
    if stripped:
        yield number, stripped


def _read(text: str, file: str, command: str) -> tuple[tuple[LockLine, ...], list[Problem]]:
    lines: list[LockLine] = []
    found: list[Problem] = []
    for number, content in logical_lines(text.removeprefix("\ufeff")):
        if _OTHER_FORMAT.fullmatch(content):
            message = "this is not a lock of requirements lines (name==version --hash=sha256:...)"
            hint = "name it pylock.toml if it is one of PEP 751; of a uv.lock: uv export -o pylock.toml"
            return (), [Problem(file, number, 1, message, hint)]
        line = _line(number, content)
        if isinstance(line, LockLine):
            lines.append(line)
        else:
            message, mend = line
            found.append(
                Problem(file, number, 1, message, f"{mend}: {command}" if mend is _COMPILE_AGAIN else mend)
            )
    return tuple(lines), found


def _line(number: int, content: str) -> LockLine | tuple[str, str]:
    """The line, or what is wrong with it and what mends it."""
    option, _ = option_of(content)
    if option:
        return _refused_option(option)
    hashes = tuple(value.lower() for value in _HASH_OPTION.findall(content))
    wanted = _HASH_OPTION.sub("", content).strip()
    requirement = _pinned(wanted)
    if isinstance(requirement, tuple):
        return requirement
    wrong = _wrong_hashes(requirement.name, hashes)
    if wrong:
        return wrong, _COMPILE_AGAIN
    return _lock_line(requirement, hashes, number)


def _lock_line(requirement: Requirement, hashes: tuple[str, ...], number: int) -> LockLine:
    """The line of a requirement that :func:`_pinned` gave."""
    marker = str(requirement.marker or "")
    version = next(iter(requirement.specifier)).version
    return LockLine(
        normalised(requirement.name), version, marker, hashes, number, tuple(sorted(requirement.extras))
    )


def _written(line: LockLine) -> str:
    extras = f"[{','.join(line.extras)}]" if line.extras else ""
    marker = f" ; {line.marker}" if line.marker else ""
    hashes = (f"--hash={value}" for value in line.hashes)
    return " \\\n    ".join((f"{line.name}{extras}=={line.version}{marker}", *hashes))


def _pinned(text: str) -> Requirement | tuple[str, str]:
    """A requirement of exactly one released version, or what is wrong with the text and what mends it."""
    stray = re.search(r"\s(--?[a-z][\w-]*)", text)
    if stray:
        return f"{stray.group(1)} is an option that no line of a lock has", _COMPILE_AGAIN
    if _ADDRESS.match(text) or (" @ " not in text and text.endswith((".whl", ".tar.gz", ".zip"))):
        place = without_userinfo(text.split(maxsplit=1)[0])
        return f"{place!r} is an address or a path, which no hash pins", _NAME_A_VERSION
    requirement = as_requirement(text)
    if requirement is None:
        return f"{without_userinfo(text)!r} is not a requirement", _COMPILE_AGAIN
    if requirement.url:
        return f"{requirement.name} comes from an address, which is not pinned", _NAME_A_VERSION
    pins = list(requirement.specifier)
    if len(pins) != 1 or pins[0].operator != "==" or pins[0].version.endswith("*"):
        return f"{requirement.name} is not pinned to one version with '=='", _COMPILE_AGAIN
    return requirement


def _wrong_hashes(name: str, hashes: tuple[str, ...]) -> str:
    if not hashes:
        return f"{name} has no hash"
    for value in hashes:
        algorithm, _, digest = value.partition(":")
        length = DIGEST_LENGTHS.get(algorithm)
        if length is None and algorithm not in _WEAK:
            return f"{name}: {algorithm!r} is not a hash that pins a file; use sha256"
        if length is not None and (len(digest) != length or not _HEX.fullmatch(digest)):
            return f"{name}: a {algorithm} digest has {length} hexadecimal digits, this one is {digest!r}"
    if all(value.partition(":")[0] in _WEAK for value in hashes):
        return f"{name} has only weak hashes ({hashes[0].partition(':')[0]}); sha256 is needed"
    return ""


def _refused_option(option: str) -> tuple[str, str]:
    for names, (message, hint) in _REFUSED_OPTIONS.items():
        if option in names:
            return f"{option}: {message}", hint
    return f"{option} is no line of a lock", _COMPILE_AGAIN


def _duplicates(lines: list[LockLine], file: str, *, same_marker: bool) -> list[Problem]:
    first: dict[tuple[str, str], LockLine] = {}
    found = []
    for line in lines:
        earlier = first.setdefault((line.name, line.marker if same_marker else ""), line)
        if earlier is not line:
            message = f"{line.name} is pinned twice, here and in line {earlier.line}"
            found.append(Problem(file, line.line, 1, message, "keep one of the two lines"))
    return found
