"""The builder uv (https://docs.astral.sh/uv/): makes the environment, resolves and installs."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.environment import archives
from projrun.environment.builder import BuildRequest, LookupRequest, Made, ResolutionRequest
from projrun.environment.installed import site_packages
from projrun.environment.platforms import name_of
from projrun.environment.refusal import (
    Cause,
    Diagnosis,
    culprits,
    not_installed,
    not_looked_up,
    not_resolved,
    plain,
    shortened,
    wheels_only,
)
from projrun.environment.text import parse_toml
from projrun.environment.uv_program import UvProgram, executable

# What uv calls the platforms that can be looked up from another one.
_TARGETS = {
    "linux-x86_64": "x86_64-unknown-linux-gnu",
    "linux-aarch64": "aarch64-unknown-linux-gnu",
    "macos-arm64": "aarch64-apple-darwin",
    "macos-x86_64": "x86_64-apple-darwin",
}
_NO_WHEEL = ("no wheels with a matching", "no usable wheels", "building from source is disabled", "no wheels are")
_NOT_THERE = ("was not found in the package registry", "there is no version of", "not found in the provided")
_INVALID = ("has invalid metadata", "The wheel is invalid", "Invalid package version", "Failed to parse metadata")
_LOGIN = ("lack of valid authentication credentials (401", "401 Unauthorized")
_COMPUTED = re.compile(r"Computed: (\w+:[0-9a-f]+)")
_UNREACHABLE = ("Failed to fetch", "error sending request", "Could not connect")


class Uv:
    """Builds with uv: the one that was installed along with projrun, else the one on PATH."""

    name = "uv"

    def version(self) -> str:
        done = process.run([executable(), "--version"])
        return done.text.split()[1] if done.ok and len(done.text.split()) > 1 else "unknown"

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        uv = UvProgram(request.folder, write, offline=request.offline, fresh=request.fresh)
        directory = request.folder / "environment"
        lock = request.folder / "requirements.lock"
        lock.write_text(request.lock_text, encoding="utf-8")
        python = request.interpreter.path
        code, output = uv.run("venv", "--quiet", "--relocatable", "--no-project", *_python(python), directory)
        if code:
            raise EnvironmentFailure(
                f"uv cannot make an environment of {python}",
                why=_reason(output),
                hint=f"see what it says: uv venv --python {python} DIR",
            )
        words = ("pip", "sync", "--require-hashes", "--link-mode", _link_mode(), "--allow-empty-requirements")
        places = (*uv.places, *_python(directory / "bin" / "python"), lock)
        code, output = uv.run(*words, *wheels_only(request.source_distributions, request.lines), *places)
        if code:
            raise not_installed(_diagnosis(output, request), request, "pip")
        return Made(directory, lambda: _archives(uv, request, directory))

    def resolve(self, request: ResolutionRequest, write: Callable[[bytes], None]) -> str:
        uv = UvProgram(request.folder, write, offline=request.offline, resolving=request)
        lock = request.folder / "requirements.lock"
        if request.previous:
            lock.write_text(request.previous, encoding="utf-8")
        words = ("pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-sources", *_asked(request))
        places = (
            *uv.places,
            *_python(request.interpreter.path),
            "--output-file",
            lock,
            request.asked.write(request.folder),
        )
        code, output = uv.run(*words, *places)
        if code:
            command = f"uv pip compile --python-version {request.python or request.interpreter.version}"
            raise not_resolved(_diagnosis(output), request, command)
        return request.as_named(lock.read_text(encoding="utf-8"))

    def look_up(self, request: LookupRequest, write: Callable[[bytes], None]) -> str:
        """The files of the lines as a pylock.toml (PEP 751), with addresses of the index.

        Which of them were locked is for the caller to tell. Raises EnvironmentFailure.
        """
        uv = UvProgram(request.folder, write, offline=request.offline)
        pins, place = request.folder / "pins.in", request.folder / "pylock.toml"
        pins.write_text("".join(f"{line.name}=={line.version}\n" for line in request.lines), encoding="utf-8")
        words = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-sources", "--generate-hashes"]
        words += ["--format", "pylock.toml", "--python-version", request.interpreter.version]
        if request.platform in _TARGETS and request.platform != name_of(_own_markers()):
            words += ["--python-platform", _TARGETS[request.platform]]
        words += wheels_only(request.source_distributions, request.lines)
        code, output = uv.run(*words, *uv.places, *_python(Path(sys.executable)), "--output-file", place, pins)
        if code:
            raise not_looked_up(_diagnosis(output))
        return place.read_text(encoding="utf-8")


def install_python(version: str, folder: Path, write: Callable[[bytes], None]) -> None:
    """Downloads the CPython of this version or series into uv's folder; ``folder`` is empty and ours alone.

    Raises EnvironmentFailure.
    """
    code, output = UvProgram(folder, write, offline=False).run("python", "install", "--no-bin", version)
    if code:
        raise EnvironmentFailure(
            f"Python {version} cannot be downloaded",
            why=_reason(output),
            hint=f"see what it says: uv python install {version}; or install it in another way",
        )


def _python(path: Path) -> tuple[str | Path, ...]:
    return ("--python", path, "--no-python-downloads")


def _own_markers() -> Mapping[str, str]:
    return {"sys_platform": sys.platform, "platform_machine": os.uname().machine}


def _link_mode() -> str:
    # Never hard links: editing a file of one environment would edit uv's cache and all others.
    return "clone" if sys.platform == "darwin" else "copy"


def _asked(request: ResolutionRequest) -> list[str]:
    """The words that say what of the requirements is resolved, for what, and what may change."""
    words = ["--only-binary", ":all:"]
    words += [word for name in request.source_distributions for word in ("--no-binary", name)]
    words += ["--prerelease", "allow"] if request.asked.pre else []
    words += ["--upgrade"] if request.upgrade_all else []
    words += [word for wish in request.upgrade for word in ("--upgrade-package", wish)]
    words += ["--universal"] if request.universal or request.platforms else []
    words += ["--python-version", request.python] if request.python else []
    return words if request.annotate else [*words, "--no-annotate"]


def _archives(uv: UvProgram, request: BuildRequest, directory: Path) -> dict[str, str]:
    """Which archive each distribution came from: uv does not tell which of several hashes of a line it met.

    What it fetched from the index has the names of all wheels; that takes it 30 ms for 33 packages.
    """
    interpreter = request.interpreter
    lines = [line for line in request.lines if line.applies(interpreter.markers)]
    known = archives.sole(lines)
    several = [line for line in lines if line.name not in known]
    told = request.folder / "pylock.toml"
    words = ("pip", "compile", "--quiet", "--no-deps", "--no-header", "--format", "pylock.toml")
    places = (*uv.places, *_python(interpreter.path), "--output-file", told, request.folder / "requirements.lock")
    if several and uv.ask(*words, *wheels_only(request.source_distributions, request.lines), *places):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # no build fails for that
            pylock = parse_toml(told.read_text(encoding="utf-8"))
            known |= archives.matched(several, pylock, site_packages(directory, interpreter.version))
    return known


def _diagnosis(output: str, request: BuildRequest | None = None) -> Diagnosis:
    lines = request.lines if request else ()
    words, found = " ".join(output.replace("│", " ").split()), culprits(_error_of(output), lines)
    signs = {
        Cause.HASH: ("Hash mismatch",),
        Cause.OFFLINE: ("network was disabled", "Network connectivity is disabled"),
        Cause.INVALID: _INVALID,
        Cause.LOGIN: _LOGIN,
        Cause.NO_WHEEL: _NO_WHEEL,
        Cause.NOT_THERE: _NOT_THERE,
        Cause.UNREACHABLE: _UNREACHABLE,
    }
    about_lines = (Cause.HASH, Cause.NO_WHEEL, Cause.NOT_THERE)
    causes = (
        cause
        for cause, texts in signs.items()
        if any(text in words for text in texts) and (found or cause not in about_lines)
    )
    computed = _COMPUTED.search(words)
    return Diagnosis(next(causes, Cause.OTHER), _reason(output), found, computed=computed[1] if computed else "")


def _error_of(output: str) -> str:
    """The error at the end of the output, without uv's progress before it."""
    match = re.search(r"^\s*(error:|\u00d7)", output, re.MULTILINE)
    return output[match.start() :] if match else output


def _reason(output: str) -> str:
    """The error in plain lines: no frame characters, causes before the general sentence."""
    rows = plain(_error_of(output).splitlines())
    rows = [row.replace(", we can conclude that your requirements are unsatisfiable.", ".") for row in rows]
    causes = [row for row in rows[1:] if not row.startswith("hint:")]
    hints = [row for row in rows[1:] if row.startswith("hint:")]
    return shortened((*causes, *rows[:1], *hints), "uv gave no reason.")
