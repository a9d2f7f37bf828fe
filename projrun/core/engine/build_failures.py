"""What a builder says of a build that failed -> the step, why, and what to type next.

The words are those of BuildKit (old and new), of the classic builder and of Podman (buildah).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from projrun.core.engine import failures
from projrun.core.engine.model import ImageRequest
from projrun.core.errors import EnvironmentFailure
from projrun.core.values import Struct

_EXIT = re.compile(r"(?:exit code:|non-zero code:|exit status) (\d+)\s*$")
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.I)
_PROLOGUE = re.compile(r"^(failed to solve( with frontend \S+)?: |failed to (create|build) LLB[^:]*: )+")
_BASE = re.compile(
    r"load metadata for (\S+)|resolve image config for (?:docker-image://)?(\S+)|FROM (?:--\S+ )*(\S+)"
)
_NO_STAGE = re.compile(
    r"target stage \S+ could not be found|failed to reach build target|the target \S+ was not found", re.I
)
_NO_SECRET = re.compile(r"secret (\S+?):? not found|no secret with id (\S+) found")
_MISSING = re.compile(
    r"(?:COPY|ADD) failed:|failed to compute cache key|failed to calculate checksum|copier: (?:stat|glob)|"
    r"failed to walk|no source files|no items matching glob|lstat .*no such file"
)
_MISSING_PATH = re.compile(r'"/?([^"]+)":? not found|stat:? "?/?([^":]+)"?: ')
_COPIED = re.compile(r"(?:COPY|ADD) (?:--\S+ )*(\S+) \S+$")
_NEEDS_BUILDKIT = re.compile(r"requires BuildKit|unknown flag: (mount|chmod|link)", re.I)
_UNREADABLE = re.compile(
    r"dockerfile parse error|unknown instruction|cannot be empty|file with no instructions|failed to parse|"
    r"unknown flag|Cannot locate specified Dockerfile|failed to read dockerfile|Syntax error|"
    r"no contents in",
    re.I,
)
_LONGEST_STEP = 160
_NOT_FOUND, _OUT_OF_MEMORY = (126, 127), 137


class Failed(Struct, frozen=True):
    """A build that failed: the builder's ``message``, the step it was at, and the end of that step's output."""

    message: str
    step: str
    tail: tuple[str, ...]

    @property
    def place(self) -> str:
        """For the beginning of a sentence: where it failed."""
        step = self.step if len(self.step) <= _LONGEST_STEP else f"{self.step[: _LONGEST_STEP - 3]}..."
        return f"the image build fails at {step}" if step else "the image build fails"

    @property
    def why(self) -> str:
        """What the builder said, after the end of the output."""
        return "\n".join((*self.tail, _PROLOGUE.sub("", self.message).strip()))


def explained(failed: Failed, request: ImageRequest) -> EnvironmentFailure:
    """The error for it; an EngineFailure when it is for the engine to mend, or a registry."""
    for explain in _IN_ORDER:
        error = explain(failed, request)
        if error is not None:
            return error
    return EnvironmentFailure(failed.place, why=failed.why, hint=_mend(request))


def _mend(request: ImageRequest) -> str:
    return f"mend that in {request.dockerfile}"


def _disk_full(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    if _NO_SPACE.search("\n".join((failed.message, *failed.tail))):
        return failures.refused(0, f"{failed.why}\nno space left on device", failed.place)
    return None


def _program_failed(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    found = _EXIT.search(failed.message)
    if found is None:
        return None
    code = int(found[1])
    hint = _mend(request)
    if code in _NOT_FOUND:
        hint = f"the base image may lack that program: install it in a step before, in {request.dockerfile}"
    elif code == _OUT_OF_MEMORY:
        hint = "it was killed, for want of memory perhaps: give the engine more, or let the step do less at once"
    return EnvironmentFailure(f"{failed.place}: exit code {code}", why=failed.why, hint=hint)


def _base_missing(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    found = _BASE.search(failed.step)
    if found is None:
        return None
    name = next(group for group in found.groups() if group)
    what = f"the image build fails: pulling {name}"
    if request.platform:
        what += f" for {request.platform}"
    error = failures.refused(0, _PROLOGUE.sub("", failed.message), what)
    if "docker/dockerfile" in name:
        error.hint = f"take the line `# syntax=...` out of {request.dockerfile}: it names an image to be pulled"
    return error


def _stage_missing(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    if not request.target or not _NO_STAGE.search(failed.message):
        return None
    return EnvironmentFailure(
        f"{request.dockerfile} has no stage {request.target}",
        why=failed.why,
        hint="name one of its stages (FROM ... AS NAME) as docker: target: NAME, or none",
    )


def _secret_missing(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    found = _NO_SECRET.search(failed.message)
    if found is None:
        return None
    name = found[1] or found[2]
    return EnvironmentFailure(
        f"{failed.place}: it takes the secret {name}, which this build is not given",
        why=failed.why,
        hint=f"docker: secrets: [{name}] in ProjectSpec.yaml",
    )


def _source_missing(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    if not _MISSING.search(failed.message) or not re.search("COPY|ADD", failed.step):
        return None
    found = _COPIED.search(failed.step) or _MISSING_PATH.search(failed.message)
    path = next(group for group in found.groups() if group) if found else "what it copies"
    stage = re.search(r"--from=(\S+)", failed.step)
    if stage:
        what = f"{failed.place}: {path} is not in {stage[1]}"
        return EnvironmentFailure(what, why=failed.why, hint=_mend(request))
    return EnvironmentFailure(
        f"{failed.place}: {path} is not in the build context",
        why=failed.why,
        hint=f"{_mend(request)}, or put {path} there; what git or .dockerignore ignores is not sent",
    )


def _not_here(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    if not _NEEDS_BUILDKIT.search(failed.message):
        return None
    return EnvironmentFailure(
        f"{failed.place}: it needs BuildKit, and the engine builds without",
        why=failed.why,
        hint="use a Docker Engine with BuildKit (unset DOCKER_BUILDKIT), or do without such a flag",
    )


def _unreadable(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    if not _UNREADABLE.search(failed.message):
        return None
    return EnvironmentFailure(f"{request.dockerfile} cannot be read", why=failed.why, hint=_mend(request))


def _engine_failed(failed: Failed, request: ImageRequest) -> EnvironmentFailure | None:
    """Everything else that failed before a step was reached."""
    return None if failed.step else failures.refused(0, failed.why, "building the image")


_IN_ORDER: tuple[Callable[[Failed, ImageRequest], EnvironmentFailure | None], ...] = (
    _disk_full,
    _program_failed,
    _base_missing,
    _stage_missing,
    _secret_missing,
    _source_missing,
    _not_here,
    _unreadable,
    _engine_failed,
)
