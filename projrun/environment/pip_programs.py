"""virtualenv, pip and pip-tools as programs: how they are called, and what their errors come to."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from projrun.core import process
from projrun.environment import configuration
from projrun.environment.index import Settings
from projrun.environment.lock import LockLine, normalised
from projrun.environment.model import Interpreter
from projrun.environment.refusal import Cause, Diagnosis, culprits, plain, shortened
from projrun.environment.tool import Tool

# What the compiler of locks is made of.
COMPILERS = ("pip", "pip-tools", "build", "click", "packaging", "pyproject-hooks")

_FOREIGN = ("PIP_", "_PIP_", "UV_", "VIRTUALENV_")
_WHEELHOUSE = (
    "with builder pip, --offline takes archives from folders alone:"
    " pip download {} -d wheels, then PIP_FIND_LINKS=wheels"
)

# A module of those that came with projrun, isolated from all else; they may lie among the user's own packages.
_RUN = """
import json, runpy, sys
sys.path += json.loads(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
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
_NO_MATCH = re.compile(r"(?:No matching distribution found for|satisfies the requirement) ([\w.-]+?)[\s=<>!~\[;]")
_COMPUTED = re.compile(r"Expected (\w+) (?:[0-9a-f]+ Expected or )*[0-9a-f]+ Got ([0-9a-f]+)")
_NOTHING_FITS = ("No matching distribution", "Could not find a version")
_NOT_FETCHED = re.compile(r"(Could not fetch URL .*) - skipping")


class PipPrograms:
    """The three tools in a folder. A call gives its exit code and the end of what the tool wrote."""

    def __init__(self, folder: Path, write: Callable[[bytes], None], *, offline: bool) -> None:
        settings = configuration.of_pip().completed_by(configuration.of_uv())
        if offline:
            settings = settings.offline()
        self._offline = offline
        self._log = folder / "pip.log"
        self._tool = Tool(folder, variables(settings, folder), configuration.secrets(), write)

    def virtualenv(self, python: Path, directory: Path) -> tuple[int, str]:
        words = ("--quiet", "--no-seed", "--no-vcs-ignore", "--activators", "", "--python", python, directory)
        return self._run(*_own("virtualenv"), *words)

    def install(self, directory: Path, *words: str | Path) -> tuple[int, str]:
        python = directory / "bin" / "python"
        pip: tuple[str | Path, ...] = (*_own("pip"), "--python", python, "--log", self._log)
        options = ("--require-hashes", "--no-deps", "--no-compile", "--no-warn-script-location")
        return self._run(*pip, "install", "--progress-bar", "off", *options, *words)

    def compile(self, interpreter: Interpreter, *words: str | Path) -> tuple[int, str]:
        paths = json.dumps(sorted({_folder_of(name) for name in COMPILERS}))
        return self._run(interpreter.path, "-I", "-S", "-c", _COMPILE, paths, *words)

    def diagnosis(self, output: str, lines: tuple[LockLine, ...] = ()) -> Diagnosis:
        """What the error at the end of the output comes to; what pip's log has of it is passed on too.

        ``lines`` are those of the lock that was installed; none when requirements were resolved.
        """
        error = _error_of(output)
        found = culprits(error, lines)
        skipped, not_fetched = self._passed_over(error, found)
        passed_over = shortened((*not_fetched, *skipped), "")
        if passed_over:
            self._tool.tell(passed_over)
        cause = self._cause(error, found, skipped, not_fetched)
        reason = shortened((*not_fetched, *plain(error.splitlines()), *skipped), "pip gave no reason.")
        computed = _COMPUTED.search(" ".join(error.split()))
        wheelhouse = _WHEELHOUSE.format("--no-deps -r LOCK" if lines else "-r REQUIREMENTS")
        return Diagnosis(cause, reason, found, wheelhouse, ":".join(computed.groups()) if computed else "")

    def _cause(self, error: str, found: tuple[LockLine, ...], skipped: list[str], not_fetched: list[str]) -> Cause:
        if "DO NOT MATCH THE HASHES" in error:
            return Cause.HASH
        if any(": 401 " in line for line in not_fetched):
            return Cause.LOGIN
        if any("404 " not in line for line in not_fetched) or "ConnectionError" in error:
            return Cause.UNREACHABLE
        if skipped:
            return Cause.NO_WHEEL
        if self._offline and any(text in error for text in _NOTHING_FITS):
            return Cause.OFFLINE
        return Cause.NOT_THERE if found and "No matching distribution" in error else Cause.OTHER

    def _passed_over(self, error: str, found: tuple[LockLine, ...]) -> tuple[list[str], list[str]]:
        """What pip's log tells of the archives that were not good enough for it, and of pages it could not get."""
        log = self._tool.log(self._log)
        missing = {normalised(name) for name in _NO_MATCH.findall(error)}
        versions = {line.version for line in found}
        skipped = [
            f"{archive}: {fault}"
            for fault, archive in _SKIPPED.findall(log)
            if _release(archive)[0] in missing and (not versions or _release(archive)[1] in versions)
        ]
        return list(dict.fromkeys(skipped)), list(dict.fromkeys(_NOT_FETCHED.findall(log)))

    def _run(self, *words: str | Path) -> tuple[int, str]:
        ended = self._tool.call(words)
        return ended.code, ended.output


def _own(name: str) -> tuple[str, ...]:
    """What starts a module of this name in projrun's own Python."""
    return (sys.executable, "-I", "-c", _RUN, json.dumps([_folder_of(name)]), name)


def variables(settings: Settings, folder: Path) -> dict[str, str]:
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


def _folder_of(name: str) -> str:
    """The folder that a distribution's modules are imported from."""
    from importlib.metadata import distribution

    return os.fspath(Path(str(distribution(name).locate_file(""))).absolute())


def _release(archive: str) -> tuple[str, str]:
    """Name and version of a wheel or source distribution by its file name."""
    stem = re.sub(r"\.(whl|tar\.gz|zip)$", "", archive)
    name, _, rest = stem.partition("-") if archive.endswith(".whl") else stem.rpartition("-")
    return normalised(name), rest.partition("-")[0]


def _error_of(output: str) -> str:
    """pip's error, without the progress before it and the traceback after it."""
    match = re.search(r"^\s*(ERROR|error): .*?(?=^Traceback |\Z)", output, re.MULTILINE | re.DOTALL)
    return match[0] if match else output[-2000:]
