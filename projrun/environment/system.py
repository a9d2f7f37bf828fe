"""The caller's own interpreter, for projects that declare ``system: true``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.environment.model import Distribution, Interpreter
from projrun.environment.places import is_shims
from projrun.environment.probe import Descriptions

_NAMES = ("python3", "python")
_TIME_LIMIT = 20.0  # seconds
_WHERE = "import sys; print(sys.executable)"
_ABOUT = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.path]))"


def callers_python(root: Path, cache: Path) -> tuple[Interpreter, Path]:
    """The first ``python3`` or ``python`` on PATH that runs, and its folder.

    The folder is a virtual environment's own when one is active; the interpreter is the one behind it. A shim
    of pyenv, asdf or mise counts as what it starts in ``root``. Raises EnvironmentFailure.
    """
    descriptions = Descriptions(cache)
    try:
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            for executable in _in(Path(folder), root):
                described = descriptions.of(executable)
                if described is not None:
                    return described.interpreter, executable.parent
    finally:
        descriptions.save()
    raise EnvironmentFailure(
        "there is no Python on PATH",
        why="environment.system asks for the caller's own.",
        hint="put python3 on PATH",
    )


def python_of(folder: Path) -> Path:
    """The interpreter's executable in the folder that :func:`callers_python` gave."""
    for name in _NAMES:
        if os.access(folder / name, os.X_OK):
            return folder / name
    raise EnvironmentFailure(f"the Python in {folder} is gone", hint="run again")


def told_by(python: Path) -> tuple[str, tuple[Distribution, ...]]:
    """The version of ``python``, and what it can import but for user site-packages. Raises EnvironmentFailure."""
    from projrun.environment import installed

    answer = _answer(python, _ABOUT)
    if answer is None:
        hint = f'see what it says: {python} -I -c "{_ABOUT}"'
        raise EnvironmentFailure(
            f"{python} does not tell where its packages are", why="It ended with an error.", hint=hint
        )
    version, path = json.loads(answer)
    return version, installed.read([Path(entry) for entry in path if entry])


def _in(folder: Path, root: Path) -> list[Path]:
    executables = [folder / name for name in _NAMES if folder.name and os.access(folder / name, os.X_OK)]
    if not is_shims(folder):
        return executables
    told = [_answer(executable, _WHERE, cwd=root) for executable in executables[:1]]
    return [Path(answer) for answer in told if answer]


def _answer(python: Path, question: str, cwd: Path | None = None) -> str | None:
    try:
        done = process.run([python, "-I", "-c", question], cwd=cwd, timeout=_TIME_LIMIT)
    except (OSError, process.TimeoutExpired):
        return None
    return done.text.strip() if done.ok else None
