"""Where interpreters are found on a machine: PATH, the system's folders, and those of version tools.

Only files that are themselves interpreters: the shims of pyenv, asdf and mise are scripts that start one
version or none, and what they stand for is found in the tools' own folders.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from projrun.core.regex import regex

_NUMBERED = regex(r"python(\d+\.\d+)")
_NEWEST_SERIES, _OLDEST_SERIES = 30, 6
_NAMES = ("python3", "python", *(f"python3.{n}" for n in range(_NEWEST_SERIES, _OLDEST_SERIES - 1, -1)))

_SYSTEM = (Path("/usr"), Path("/usr/local"))
_OPT = Path("/opt")
_CONDA_HOMES = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba")
_MACOS = (
    "/opt/homebrew/opt/python@*",
    "/usr/local/opt/python@*",
    "/Library/Frameworks/Python.framework/Versions/*",
    "/opt/local",
)


def series_of(executable: Path) -> str | None:
    """The ``3.N`` that a file's name promises, or None when it promises nothing."""
    match = _NUMBERED.fullmatch(executable.name)
    return match.group(1) if match else None


def on_path(may_fit: Callable[[str | None], bool] = lambda _: True) -> Iterator[Path]:
    """Python executables in the order of PATH; in one folder ``python3`` before ``python`` before others.

    ``may_fit`` is asked about the series that a name promises, or None: a name that cannot fit is not looked for.
    """
    names = [name for name in _NAMES if may_fit(series_of(Path(name)))]
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if not folder or is_shims(Path(folder)):
            continue
        for name in names:
            executable = f"{folder}/{name}"  # a Path for each would cost more than the look
            if os.access(executable, os.X_OK) and not is_shims(Path(os.path.realpath(executable)).parent):
                yield Path(executable)


def in_folders() -> Iterator[Path]:
    """Python executables of every other known place, in an order that is the same each time."""
    for root in _roots():
        try:
            with os.scandir(root / "bin") as entries:
                names = sorted(entry.name for entry in entries if _NUMBERED.fullmatch(entry.name))
        except OSError:
            continue
        for name in names:
            executable = root / "bin" / name
            if os.access(executable, os.X_OK):
                yield executable


def is_shims(folder: Path) -> bool:
    """Whether this is where pyenv, asdf or mise keep scripts that stand for interpreters."""
    return folder.name == "shims"


def _roots() -> Iterator[Path]:
    home = Path("~").expanduser()
    share = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    yield from _SYSTEM
    yield from _below(_told("PYENV_ROOT", home / ".pyenv") / "versions")
    yield from _below(_told("ASDF_DATA_DIR", home / ".asdf") / "installs/python")
    yield from _below(_told("MISE_DATA_DIR", share / "mise") / "installs/python")
    yield from _below(_told("UV_PYTHON_INSTALL_DIR", share / "uv/python"))
    yield from _beside_shims()
    yield from _conda(home)
    for pattern in _MACOS:
        yield from sorted(Path("/").glob(pattern[1:]))


def _beside_shims() -> Iterator[Path]:
    """The versions of a tool that nothing tells of but its shims on PATH: they lie beside those."""
    for folder in map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        if folder.is_absolute() and is_shims(folder):
            yield from _below(folder.parent / "versions")
            yield from _below(folder.parent / "installs/python")


def _conda(home: Path) -> Iterator[Path]:
    bases = [
        _OPT / "conda",
        *(home / name for name in _CONDA_HOMES),
        *(_OPT / name for name in _CONDA_HOMES),
    ]
    if os.environ.get("CONDA_PREFIX"):
        bases.insert(0, Path(os.environ["CONDA_PREFIX"]))
    try:
        listed = (home / ".conda/environments.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        listed = []
    for base in bases:
        yield base
        yield from _below(base / "envs")
    yield from (Path(line.strip()) for line in listed if line.strip().startswith("/"))


def _told(variable: str, otherwise: Path) -> Path:
    return Path(os.environ.get(variable) or otherwise)


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
