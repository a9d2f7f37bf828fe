"""Why an environment was not built or a lock not resolved, in the same words whichever tool met the fault."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import Struct
from projrun.environment.builder import BuildRequest, ResolutionRequest
from projrun.environment.lock import LockLine, normalised

_REASON_LINES = 12
_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)")
_ARCHIVE = re.compile(r"[\w.+!-]+\.(?:whl|tar\.gz|zip)")


class Cause(enum.Enum):
    """What kept a tool from its work."""

    HASH = "an archive is not the one that was locked"
    NO_WHEEL = "there is no wheel for this platform and interpreter, and building is not allowed"
    NOT_THERE = "the package index does not have it"
    INVALID = "the metadata of a distribution is invalid"
    LOGIN = "the package index wants another user or password"
    UNREACHABLE = "the package index cannot be asked"
    OFFLINE = "the network would be needed, and was not to be used"
    OTHER = "something else"


class Diagnosis(Struct, frozen=True):
    """``reason`` is the tool's own, in plain lines; ``culprits`` the lock's lines it speaks of.

    ``offline_hint`` is what to type when what was downloaded before will not do. ``computed`` is the hash that an
    archive has in place of those that were locked, as ``algorithm:hex``; "" when the tool does not tell it.
    """

    cause: Cause
    reason: str
    culprits: tuple[LockLine, ...] = ()
    offline_hint: str = "run once without --offline"
    computed: str = ""


def not_installed(found: Diagnosis, request: BuildRequest, other: str) -> EnvironmentFailure:
    """The error of a lock that could not be installed. ``other`` is the other builder's name."""
    lock, name = request.lock_file, found.culprits[0].name if found.culprits else ""
    places = [f"{lock}:{line.line}: {line.name}=={line.version}" for line in found.culprits]
    what = f"{places[0]} cannot be installed" if places else f"{lock} cannot be installed"
    why, hint = found.reason, _network_hint(found) or _other_version(name, request, other)
    if places and found.cause is Cause.HASH:
        why = _other_hash(found.computed, found.culprits[0]) or why
        what = f"{places[0]}: the archive is not the one that was locked"
        hint = (
            "do not use it before you know why; if it was locked for another platform or interpreter, compile the"
            f" lock again: {request.compile_command}"
        )
    elif places and found.cause is Cause.NO_WHEEL:
        what = f"{places[0]} has no wheel for this platform and interpreter"
        hint = f"choose another version or Python, or name {name} under environment.source_distributions"
    elif places and found.cause is Cause.NOT_THERE:
        what = f"{places[0]} is not on the package index"
        hint = "compile the lock against the index of this machine (UV_DEFAULT_INDEX or PIP_INDEX_URL)"
    elif places and found.cause is Cause.INVALID:
        what = f"{places[0]} has invalid metadata"
    return EnvironmentFailure(what, why=why, hint=hint)


def not_resolved(found: Diagnosis, request: ResolutionRequest, command: str) -> EnvironmentFailure:
    """The error of requirements that could not be resolved. ``command`` is the tool's, for people to try it."""
    return EnvironmentFailure(
        f"the requirements in {request.asked.file} cannot be resolved",
        why=request.as_named(found.reason),
        hint=_network_hint(found) or f"change {request.asked.file}, or try: {command} {request.asked.file}",
    )


def not_looked_up(found: Diagnosis) -> EnvironmentFailure:
    """The error of a lock whose files cannot be looked up."""
    return EnvironmentFailure(
        "the package index does not tell the files of the lock",
        why=found.reason,
        hint=_network_hint(found) or "use the index that it was locked from (UV_DEFAULT_INDEX or PIP_INDEX_URL)",
    )


def culprits(error: str, lines: Sequence[LockLine]) -> tuple[LockLine, ...]:
    """The lock's lines that a tool's error speaks of, in its order."""
    releases = [(normalised(name), version.rstrip(".")) for name, version in _PINNED.findall(error)]
    releases += [release_of(archive) for archive in _ARCHIVE.findall(error)]
    found = [line for name, version in releases for line in lines if (line.name, line.version) == (name, version)]
    if not found:
        found = [line for line in lines if re.search(rf"[/`']{re.escape(line.name)}[/`']", error)]
    return tuple(dict.fromkeys(found))


def release_of(archive: str) -> tuple[str, str]:
    """Name, normalised, and version of a wheel or source distribution by its file name."""
    stem = re.sub(r"\.(whl|tar\.gz|zip)$", "", archive)
    name, _, rest = stem.partition("-") if archive.endswith(".whl") else stem.rpartition("-")
    return normalised(name), rest.partition("-")[0]


def plain(rows: Iterable[str]) -> list[str]:
    """The rows of a tool's error without frame characters and without words that only say that it is one."""
    bare = (re.sub(r"^[\s\u00d7│╰─▶├]+", "", row).strip() for row in rows)
    return [re.sub(r"^(error|ERROR|cause|Caused by): ", "", row) for row in bare if row]


def wheels_only(source_distributions: Sequence[str], lines: Sequence[LockLine]) -> list[str]:
    """Options: wheels for all but the packages that may be built, which still come as wheels if there are any."""
    if not source_distributions:
        return ["--only-binary", ":all:"]
    allowed = {normalised(name) for name in source_distributions}
    names = sorted({line.name for line in lines} - allowed)
    return [word for name in names for word in ("--only-binary", name)]


def shortened(rows: Sequence[str], otherwise: str) -> str:
    """The rows of a reason, as many as are read; ``otherwise`` when there are none."""
    return "\n".join(rows[:_REASON_LINES]) or otherwise


def _other_version(name: str, request: BuildRequest, other: str) -> str:
    """What to try when the tool's own reason is all that is known."""
    which = f"another version of {name}" if name else "other versions"
    return f"lock {which} ({request.compile_command}), or let the other builder try: --builder {other}"


def _other_hash(computed: str, line: LockLine) -> str:
    """That an archive has another hash: tools list all that were locked, of which a package has dozens."""
    if not computed:
        return ""
    count = len(line.hashes)
    those = f"which is none of the {count} in the lock" if count > 1 else f"and the lock has {line.hashes[0]}"
    return f"Its hash is {computed}, {those}."


def _network_hint(found: Diagnosis) -> str:
    if found.cause is Cause.OFFLINE:
        return found.offline_hint
    if found.cause is Cause.LOGIN:
        return "tell the index a user and password that it knows: in its address, in .netrc or in a keyring"
    if found.cause is Cause.UNREACHABLE:
        return "check the network and the package index that is configured (UV_DEFAULT_INDEX or PIP_INDEX_URL)"
    return ""
