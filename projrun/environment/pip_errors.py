"""What an error of pip's comes to, read from what it wrote and from its log."""

from __future__ import annotations

import re
from typing import NamedTuple

from projrun.environment.lock import LockLine, as_requirement, normalised
from projrun.environment.refusal import Cause, Diagnosis, culprits, plain, release_of, shortened

TRACEBACK = "Traceback (most recent call last):"
_WHEELHOUSE = (
    "with builder pip, --offline takes archives from folders alone:"
    " pip download {} -d wheels, then PIP_FIND_LINKS=wheels"
)
# What pip's own log tells of archives it did not take, and of pages it could not get.
_SKIPPED = re.compile(
    r"Skipping link: ((?:No (?:sources|binaries) permitted|none of the wheel's tags).*?): \S+/([^/\s#]+)[#\s]"
)
_NOT_FETCHED = re.compile(r"(Could not fetch URL .*) - skipping")
_NO_MATCH = re.compile(r"(?:No matching distribution found for|satisfies the requirement) ([^\n(]+)")
_COMPUTED = re.compile(r"Expected (\w+) (?:[0-9a-f]+ Expected or )*[0-9a-f]+ Got ([0-9a-f]+)")
_NOTHING_FITS = ("No matching distribution", "Could not find a version")
_INVALID = re.compile(
    r"WARNING: Ignoring version (\S+) of (\S+) since it has invalid metadata:.*?has invalid metadata: (.*?)\s*"
    r"Please use pip<",
    re.DOTALL,
)
_UNDECODABLE = "Error decoding metadata for"
_VERSIONS = re.compile(r"\(from versions: (.*)\)")
_ADVICE = "To fix this you could try to:"  # after which pip tells what anybody would try
_ASIDE = "Ignored the following "  # versions that are no reason by themselves
_FEW = 5  # versions and archives of a list that are told


class Said(NamedTuple):
    """The end of what pip wrote, what is in its log, and whether it was to do without the network."""

    output: str
    log: str
    offline: bool


class _PassedOver(NamedTuple):
    archives: list[str]
    pages: list[str]
    invalid: list[str]

    @property
    def few(self) -> list[str]:
        """As many of the archives as are read."""
        more = len(self.archives) - _FEW
        return [*self.archives[:_FEW], *([f"and {more} more archives that do not fit"] if more > 0 else [])]


def diagnosis(said: Said, lines: tuple[LockLine, ...] = ()) -> tuple[Diagnosis, str]:
    """What the error at the end of the output comes to, and what of it the output does not tell.

    ``lines`` are those of the lock that was installed; none when requirements were resolved.
    """
    error = _error_of(said.output)
    found = culprits(error, lines)
    passed_over = _passed_over(said, error, found)
    cause = _cause(said, error, found, passed_over)
    reason = shortened((*passed_over.pages, *_rows(error, passed_over)), "pip gave no reason.")
    computed = _COMPUTED.search(" ".join(error.split()))
    wheelhouse = _WHEELHOUSE.format("--no-deps -r LOCK" if lines else "-r REQUIREMENTS")
    hidden = [error] if error == _crash_of(said.output) else []
    untold = [*hidden, *passed_over.pages, *passed_over.invalid, *passed_over.few]
    told = Diagnosis(cause, reason, found, wheelhouse, ":".join(computed.groups()) if computed else "")
    return told, shortened(untold, "")


def _rows(error: str, passed_over: _PassedOver) -> list[str]:
    """The rows of the reason: what went wrong first, what was passed over next, then what is only said with it."""
    rows = plain(error.splitlines())
    rows = rows[: rows.index(_ADVICE)] if _ADVICE in rows else rows
    aside = [row for row in rows if row.startswith(_ASIDE)]
    why = [_VERSIONS.sub(_newest, row) for row in rows if row not in aside]
    return [*passed_over.invalid, *why, *passed_over.few, *aside]


def _newest(match: re.Match[str]) -> str:
    versions = match[1].split(", ")
    few = versions if len(versions) <= _FEW else ["...", *versions[-_FEW:]]
    return f"(from versions: {', '.join(few)})"


def _cause(said: Said, error: str, found: tuple[LockLine, ...], passed_over: _PassedOver) -> Cause:
    pages = passed_over.pages
    nothing = any(text in error for text in _NOTHING_FITS)
    signs = (
        (Cause.HASH, "DO NOT MATCH THE HASHES" in error),
        (Cause.INVALID, passed_over.invalid or _UNDECODABLE in error),
        (Cause.LOGIN, any(": 401 " in line for line in pages)),
        (Cause.UNREACHABLE, any("404 " not in line for line in pages) or "ConnectionError" in error),
        (Cause.NO_WHEEL, passed_over.archives),
        (Cause.OFFLINE, said.offline and nothing),
        (Cause.NOT_THERE, found and "No matching distribution" in error),
    )
    return next((cause for cause, there in signs if there), Cause.OTHER)


def _passed_over(said: Said, error: str, found: tuple[LockLine, ...]) -> _PassedOver:
    """The archives that were not good enough for pip, and the pages that it could not get.

    Of a range of versions only the newest counts: it is the one that was meant.
    """
    missing = [one for text in _NO_MATCH.findall(error) if (one := as_requirement(text.strip()))]
    fitting: dict[tuple[str, str], list[str]] = {}
    for fault, archive in _SKIPPED.findall(said.log):
        name, version = release_of(archive)
        if any(
            normalised(one.name) == name and one.specifier.contains(version, prereleases=True) for one in missing
        ):
            fitting.setdefault((name, version), []).append(f"{archive}: {fault.partition(' (run pip debug')[0]}")
    newest = dict(sorted(fitting, key=lambda one: _order(one[1])))
    archives = [row for (name, version), rows in fitting.items() if newest[name] == version for row in rows]
    names = {normalised(one.name) for one in missing}
    invalid = [
        f"the metadata of {name} {version} is invalid: {' '.join(fault.split())}"
        for version, name, fault in _INVALID.findall(said.output)
        if normalised(name) in names
    ]
    pages = _NOT_FETCHED.findall(said.log)
    return _PassedOver(list(dict.fromkeys(archives)), list(dict.fromkeys(pages)), list(dict.fromkeys(invalid)))


def _order(version: str) -> tuple[bool, object]:
    from packaging.version import InvalidVersion, Version

    try:
        return True, Version(version)
    except InvalidVersion:
        return False, version


def _error_of(output: str) -> str:
    """pip's error, without the progress before it and the traceback after it; else what that ends with."""
    match = re.search(rf"^\s*(ERROR|error): .*?(?=^{re.escape(TRACEBACK)}|\Z)", output, re.MULTILINE | re.DOTALL)
    error = match[0] if match else ""
    if plain(error.splitlines()) in ([], ["Exception:"]):
        return _crash_of(output) or output[-2000:]
    return error


def _crash_of(output: str) -> str:
    """Type and message of the error that a traceback at the end of the output tells; "" without one."""
    _, found, traceback = output.rpartition(f"{TRACEBACK}\n")
    rows = traceback.splitlines() if found else []
    start = next((number for number, row in enumerate(rows) if row and not row.startswith(" ")), len(rows))
    return "\n".join(rows[start:])
