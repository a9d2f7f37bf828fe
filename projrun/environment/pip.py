"""The builder pip: virtualenv makes the environment, pip (https://pip.pypa.io/) installs, pip-tools resolves.

All three are those that were installed along with projrun, never one on PATH.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.environment import configuration, relocation
from projrun.environment.builder import BuildRequest, Made, ResolutionRequest
from projrun.environment.index import Settings
from projrun.environment.lock import LockLine, normalised
from projrun.environment.model import Interpreter
from projrun.environment.refusal import (
    Cause,
    Diagnosis,
    culprits,
    not_installed,
    not_resolved,
    plain,
    shortened,
    wheels_only,
)
from projrun.environment.tool import Tool

_FOREIGN = ("PIP_", "_PIP_", "UV_", "VIRTUALENV_")
_COMPILERS = ("pip", "pip-tools", "build", "click", "packaging", "pyproject-hooks")
_WHEELHOUSE = (
    "with builder pip, --offline installs from folders of archives alone:"
    " pip download --no-deps -d wheels -r LOCK, then PIP_FIND_LINKS=wheels"
)

# pip-tools resolves for the interpreter it runs under, so it runs under the project's; the packages that came with
# projrun come last on its path. The TOML reader that Python 3.10 lacks is one that pip brings.
_COMPILE = """
import json, sys
sys.path += json.loads(sys.argv.pop(1))
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli
    sys.modules.setdefault("tomli", tomli)
from piptools.scripts.compile import cli
cli(prog_name="pip-compile")
"""
# What pip's own log tells of archives it did not take, and of pages it could not get.
_SKIPPED = re.compile(
    r"Skipping link: ((?:No (?:sources|binaries) permitted|none of the wheel's tags).*?): \S+/([^/\s#]+)[#\s]"
)
_NOT_FETCHED = re.compile(r"(Could not fetch URL .*) - skipping")


class Pip:
    """Builds with virtualenv and pip, for those whose index or policy needs them."""

    name = "pip"

    def version(self) -> str:
        return _version_of("pip")

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        _check_python(request.interpreter, ("pip", "virtualenv"))
        pip = _Pip(request.folder, write, offline=request.offline)
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
        words = ("--report", report.name, "--requirement", lock.name)
        code, output = pip.install(directory, *wheels_only(request), *words)
        if code:
            raise not_installed(pip.diagnosis(output, request.lines), request)
        relocation.make_relocatable(directory, request.interpreter.version)
        return Made(directory, _archives(json.loads(report.read_bytes())))

    def resolve(self, request: ResolutionRequest, write: Callable[[bytes], None]) -> str:
        _check_asked(request)
        _check_python(request.interpreter, _COMPILERS)
        pip = _Pip(request.folder, write, offline=request.offline)
        lock = request.folder / "requirements.lock"
        if request.previous:
            lock.write_text(request.previous, encoding="utf-8")
        code, output = pip.compile(request.interpreter, *_asked(request), "-o", lock.name, _source(request))
        if code:
            raise not_resolved(pip.diagnosis(output), request, "pip-compile")
        return _normal(lock.read_text(encoding="utf-8"), request)


class _Pip:
    """The three tools in a folder. A call gives its exit code and the end of what the tool wrote."""

    def __init__(self, folder: Path, write: Callable[[bytes], None], *, offline: bool) -> None:
        settings = configuration.of_pip().completed_by(configuration.of_uv())
        if offline:
            settings = settings.offline()
        self._offline = offline
        self._log = folder / "pip.log"
        self._tool = Tool(folder, _variables(settings, folder), settings.passwords, write)

    def virtualenv(self, python: Path, directory: Path) -> tuple[int, str]:
        words = ("--quiet", "--no-seed", "--no-vcs-ignore", "--activators", "", "--python", python, directory)
        return self._run(sys.executable, "-I", "-m", "virtualenv", *words)

    def install(self, directory: Path, *words: str | Path) -> tuple[int, str]:
        pip = (sys.executable, "-I", "-m", "pip", "--python", directory / "bin" / "python", "--log", self._log)
        options = ("--require-hashes", "--no-deps", "--no-compile", "--no-warn-script-location")
        return self._run(*pip, "install", "--progress-bar", "off", *options, *words)

    def compile(self, interpreter: Interpreter, *words: str | Path) -> tuple[int, str]:
        paths = json.dumps(sorted({_folder_of(name) for name in _COMPILERS}))
        return self._run(interpreter.path, "-I", "-S", "-c", _COMPILE, paths, *words)

    def diagnosis(self, output: str, lines: Iterable[LockLine] = ()) -> Diagnosis:
        """What the error at the end of the output comes to; what pip's log has of it is passed on too."""
        error = _error_of(output)
        found = culprits(error, tuple(lines))
        skipped, not_fetched = self._passed_over(found)
        for line in (*skipped, *not_fetched):
            self._tool.tell(line)
        cause = self._cause(error, found, skipped, not_fetched)
        rows = plain(error.splitlines())
        reason = shortened((*skipped, *not_fetched, *rows), "pip gave no reason.")
        return Diagnosis(cause, reason, found, _WHEELHOUSE)

    def _cause(self, error: str, found: tuple[LockLine, ...], skipped: list[str], not_fetched: list[str]) -> Cause:
        if "DO NOT MATCH THE HASHES" in error:
            return Cause.HASH
        if any("404 " not in line for line in not_fetched) or "ConnectionError" in error:
            return Cause.UNREACHABLE
        if skipped:
            return Cause.NO_WHEEL
        if self._offline and "No matching distribution" in error:
            return Cause.OFFLINE
        return Cause.NOT_THERE if found and "No matching distribution" in error else Cause.OTHER

    def _passed_over(self, found: tuple[LockLine, ...]) -> tuple[list[str], list[str]]:
        """What pip's log tells of archives of these lines (without: of any), and of pages it could not get."""
        try:
            log = self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return [], []
        releases = {(line.name, line.version) for line in found}
        skipped = [
            f"{archive}: {fault}"
            for fault, archive in _SKIPPED.findall(log)
            if not releases or _release(archive) in releases
        ]
        return list(dict.fromkeys(skipped)), list(dict.fromkeys(_NOT_FETCHED.findall(log)))

    def _run(self, *words: str | Path) -> tuple[int, str]:
        ended = self._tool.call(words)
        return ended.code, ended.output


def _variables(settings: Settings, folder: Path) -> dict[str, str]:
    """The variables for the three tools. Their own files are not read: what counts of them is in ``settings``."""
    told = {
        "PIP_INDEX_URL": settings.index,
        "PIP_EXTRA_INDEX_URL": " ".join(settings.extra),
        "PIP_FIND_LINKS": " ".join(settings.links),
        "PIP_NO_INDEX": "1" if settings.no_index else "",
        "PIP_CERT": settings.certificate,
        "PIP_TRUSTED_HOST": " ".join(settings.trusted),
        "PIP_PROXY": settings.proxy,
    }
    return {
        **{name: value for name, value in process.tool_environment().items() if not name.startswith(_FOREIGN)},
        **configuration.pip_network(),
        **{name: value for name, value in told.items() if value},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "VIRTUALENV_CONFIG_FILE": os.devnull,
        "VIRTUALENV_OVERRIDE_APP_DATA": os.fspath(folder / "virtualenv"),
    }


def _asked(request: ResolutionRequest) -> list[str]:
    """The words that say what is resolved, what may change, and that no address gets into the lock."""
    words = ["--verbose", "--no-config", "--generate-hashes", "--resolver", "backtracking", "--strip-extras"]
    words += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-options"]
    words += ["--no-emit-trusted-host", "--annotate" if request.annotate else "--no-annotate"]
    words += ["--unsafe-package", ""]  # pip and setuptools are packages like all others
    words += ["--cache-dir", os.environ.get("PIP_CACHE_DIR") or _user_cache()]
    words += ["--upgrade"] if request.upgrade_all else []
    words += [word for wish in request.upgrade for word in ("--upgrade-package", wish)]
    sources = "".join(f" --no-binary={name}" for name in request.source_distributions)
    return [*words, "--pip-args", f"--only-binary=:all:{sources} --log=pip.log"]


def _source(request: ResolutionRequest) -> str | Path:
    """The file that is compiled: the requirements, or those of a pyproject.toml written out."""
    if request.requirements.suffix != ".toml":
        return request.requirements
    from projrun.environment import pyproject

    text = request.requirements.read_text(encoding="utf-8")
    asked = pyproject.dependencies(text, request.file, request.extras, request.groups)
    written = request.folder / "pyproject.in"
    written.write_text("".join(f"{requirement}\n" for _, requirement in asked), encoding="utf-8")
    return written.name


def _normal(text: str, request: ResolutionRequest) -> str:
    """The lock as uv writes it: without markers that hold anyway, and with files called as the user calls them."""
    root = os.fspath(request.requirements).removesuffix(request.file)
    text = text.replace(f"{os.path.relpath(root, request.folder)}/", "").replace(root, "")
    text = text.replace("-r pyproject.in", request.file)
    return re.sub(r"(?m)^([^\s#]+==\S+) ; .*? \\$", r"\1 \\", text)


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
                hint="use the other builder (projrun run --builder uv), or a newer environment.python",
            )


def _version_of(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        raise EnvironmentFailure(
            f"{name} is not installed",
            why="Builder pip needs it, and it comes with projrun, but is not where projrun is.",
            hint="install projrun again, or let uv build: projrun run --builder uv",
        ) from None


def _folder_of(name: str) -> str:
    """The folder that a distribution's modules are imported from."""
    from importlib.metadata import distribution

    return os.fspath(Path(str(distribution(name).locate_file(""))).absolute())


def _user_cache() -> str:
    from platformdirs import user_cache_path

    return os.fspath(user_cache_path("pip"))


def _archives(report: Mapping[str, Any]) -> dict[str, str]:
    """The digest of the archive that each distribution came from, out of pip's report.

    https://pip.pypa.io/en/stable/reference/installation-report/
    """
    return {
        normalised(entry["metadata"]["name"]): entry["download_info"]["archive_info"]["hashes"].get("sha256", "")
        for entry in report["install"]
    }


def _release(archive: str) -> tuple[str, str]:
    """Name and version of a wheel or source distribution by its file name."""
    stem = re.sub(r"\.(whl|tar\.gz|zip)$", "", archive)
    name, _, rest = stem.partition("-") if archive.endswith(".whl") else stem.rpartition("-")
    return normalised(name), rest.partition("-")[0]


def _error_of(output: str) -> str:
    """pip's error, without the progress before it and the traceback after it."""
    match = re.search(r"^\s*(ERROR|error): .*?(?=^Traceback |\Z)", output, re.MULTILINE | re.DOTALL)
    return match[0] if match else output[-2000:]
