"""The builder pip: virtualenv makes the environment, pip (https://pip.pypa.io/) installs, pip-tools resolves.

All three are those that were installed along with projrun, never one on PATH.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.environment import configuration, relocation
from projrun.environment.builder import BuildRequest, Made, ResolutionRequest
from projrun.environment.lock import normalised
from projrun.environment.model import Interpreter
from projrun.environment.pip_programs import COMPILERS, PipPrograms
from projrun.environment.refusal import not_installed, not_resolved, plain, shortened, wheels_only


class Pip:
    """Builds with virtualenv and pip, for those whose index or policy needs them."""

    name = "pip"

    def version(self) -> str:
        return _version_of("pip")

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        _check_python(request.interpreter, ("pip", "virtualenv"))
        pip = PipPrograms(request.folder, write, offline=request.offline)
        directory, python = request.folder / "environment", request.interpreter.path
        code, output = pip.virtualenv(python, directory)
        if code:
            raise EnvironmentFailure(
                f"virtualenv cannot make an environment of {python}",
                why=shortened(plain(output.splitlines()), "It gave no reason."),
                hint=f"see what it says: {sys.executable} -m virtualenv --python {python} DIR",
            )
        if not request.lines:
            return Made(directory)
        lock, report = request.folder / "requirements.lock", request.folder / "report.json"
        lock.write_text(request.lock_text, encoding="utf-8")
        words = ["--report", report.name, "--requirement", lock.name]
        words += ["--no-cache-dir"] if request.fresh else []
        code, output = pip.install(directory, *wheels_only(request.source_distributions, request.lines), *words)
        if code:
            raise not_installed(pip.diagnosis(output, request.lines), request, "uv")
        relocation.make_relocatable(directory, request.interpreter.version)
        return Made(directory, lambda: _archives(json.loads(report.read_bytes())))

    def resolve(self, request: ResolutionRequest, write: Callable[[bytes], None]) -> str:
        _check_asked(request)
        _check_python(request.interpreter, COMPILERS)
        pip = PipPrograms(request.folder, write, offline=request.offline, named=request.as_named)
        lock = request.folder / "requirements.lock"
        if request.previous:
            lock.write_text(request.previous, encoding="utf-8")
        source = request.asked.write(request.folder)
        code, output = pip.compile(request.interpreter, *_asked(request), "-o", lock.name, source.name)
        if code:
            raise not_resolved(pip.diagnosis(output), request, "pip-compile")
        return _normal(lock.read_text(encoding="utf-8"), request)


def _asked(request: ResolutionRequest) -> list[str]:
    """The words that say what is resolved, what may change, and that no address gets into the lock."""
    words = ["--verbose", "--no-config", "--generate-hashes", "--resolver", "backtracking", "--strip-extras"]
    words += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-options"]
    words += ["--no-emit-trusted-host", "--annotate" if request.annotate else "--no-annotate"]
    words += ["--unsafe-package", ""]  # pip and setuptools are packages like all others
    words += ["--cache-dir", configuration.pip_network().get("PIP_CACHE_DIR") or _user_cache()]
    words += ["--pre"] if request.asked.pre else []
    words += ["--upgrade"] if request.upgrade_all else []
    words += [word for wish in request.upgrade for word in ("--upgrade-package", wish)]
    sources = "".join(f" --no-binary={name}" for name in request.source_distributions)
    return [*words, "--pip-args", f"--only-binary=:all:{sources} --log=pip.log"]


def _normal(text: str, request: ResolutionRequest) -> str:
    """The lock as uv writes it: without markers that hold anyway, and with files called as the user calls them."""
    return re.sub(r"(?m)^([^\s#]+==\S+) ; .*? \\$", r"\1 \\", request.as_named(text))


def _check_asked(request: ResolutionRequest) -> None:
    """Raises EnvironmentFailure for what pip-tools cannot do: it resolves for the interpreter it runs under."""
    own = request.interpreter.version
    elsewhere = request.universal or request.platforms
    if elsewhere or not f"{own}.".startswith(f"{request.python or own}."):
        raise EnvironmentFailure(
            "builder pip locks for the interpreter and platform it runs on",
            why=f"Python {own} here; {'other platforms' if elsewhere else request.python} cannot be asked for.",
            hint="projrun lock --builder uv",
        )


def _check_python(interpreter: Interpreter, names: Iterable[str]) -> None:
    """Raises EnvironmentFailure when a tool that came with projrun does not run under this Python."""
    from importlib.metadata import metadata

    from packaging.specifiers import SpecifierSet

    for name in names:
        version, needed = _version_of(name), metadata(name)["Requires-Python"] or ""
        if not SpecifierSet(needed).contains(interpreter.version, prereleases=True):
            raise EnvironmentFailure(
                f"builder pip cannot be used with Python {interpreter.version}",
                why=f"{name} {version}, which came with projrun, needs Python {needed}.",
                hint="use the other builder (--builder uv), or a newer environment.python",
            )


def _version_of(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        raise EnvironmentFailure(
            f"{name} is not installed",
            why="Builder pip needs it, and it comes with projrun, but is not where projrun is.",
            hint="install projrun again, or let uv build: --builder uv",
        ) from None


def _user_cache() -> str:
    from platformdirs import user_cache_path

    return os.fspath(user_cache_path("pip"))


def _archives(report: Mapping[str, Any]) -> dict[str, str]:
    """The digest of the archive that each distribution came from, out of pip's report.

    https://pip.pypa.io/en/stable/reference/installation-report/
    """
    return {
        normalised(entry["metadata"]["name"]): (
            entry["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", "")
        )
        for entry in report["install"]
    }
