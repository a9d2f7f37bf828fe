"""virtualenv, pip and pip-tools as programs: how they are called."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from projrun.core import process
from projrun.environment import configuration, pip_errors
from projrun.environment.index import Settings
from projrun.environment.lock import LockLine
from projrun.environment.model import Interpreter
from projrun.environment.pip_errors import Said
from projrun.environment.refusal import Diagnosis
from projrun.environment.tool import Tool

# What the compiler of locks is made of.
COMPILERS = ("pip", "pip-tools", "build", "click", "packaging", "pyproject-hooks")

_FOREIGN = ("PIP_", "_PIP_", "UV_", "VIRTUALENV_")
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


class PipPrograms:
    """The three tools in a folder. A call gives its exit code and the end of what the tool wrote.

    ``named`` puts the names that people know into what they are told.
    """

    def __init__(
        self,
        folder: Path,
        write: Callable[[bytes], None],
        *,
        offline: bool,
        named: Callable[[str], str] = str,
    ) -> None:
        settings = configuration.of_pip().completed_by(configuration.of_uv())
        if offline:
            settings = settings.offline()
        self._offline = offline
        self._named = named
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
        found, untold = pip_errors.diagnosis(Said(output, self._tool.log(self._log), self._offline), lines)
        if untold:
            self._tool.tell(self._named(untold))
        return found

    def _run(self, *words: str | Path) -> tuple[int, str]:
        ended = self._tool.call(words, _Told(self._named))
        return ended.code, ended.output


class _Told:
    """What of the lines people are told: all but tracebacks, which are of pip's own code and come last."""

    def __init__(self, named: Callable[[str], str]) -> None:
        self._named = named
        self._over = False

    def __call__(self, line: str) -> str | None:
        self._over = self._over or line == pip_errors.TRACEBACK
        return None if self._over else self._named(line)


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
    caller = process.tool_environment(whole=_asks_keyring(settings))
    return {
        **{name: value for name, value in caller.items() if not name.startswith(_FOREIGN)},
        **configuration.pip_network(),
        **{name: value for name, value in told.items() if value},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "VIRTUALENV_CONFIG_FILE": os.devnull,
        "VIRTUALENV_OVERRIDE_APP_DATA": os.fspath(folder / "virtualenv"),
    }


def _asks_keyring(settings: Settings) -> bool:
    """Whether passwords come from others, which may need whatever the caller has. pip asks what it can import."""
    if settings.keyring in ("", "auto"):
        return find_spec("keyring") is not None
    return settings.keyring != "disabled"


def _folder_of(name: str) -> str:
    """The folder that a distribution's modules are imported from."""
    from importlib.metadata import distribution

    return os.fspath(Path(str(distribution(name).locate_file(""))).absolute())
