"""Where projrun keeps things, and the rule that a project's paths stay inside the project."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from projrun.core.errors import UsageError


def store_directory(chosen: str | Path | None = None) -> Path:
    """The run store: ``--store``, then ``PROJRUN_STORE``, then the user data folder."""
    return _place(chosen or os.environ.get("PROJRUN_STORE"), "data", "store")


def cache_directory() -> Path:
    """What can be made again (environments, ...): ``PROJRUN_CACHE``, or the user cache folder."""
    return _place(os.environ.get("PROJRUN_CACHE"), "cache", "")


def absolute(path: Path) -> Path:
    """``path`` from the root. Raises UsageError for a relative one when the current directory is gone."""
    try:
        return path.absolute()
    except FileNotFoundError:
        raise UsageError(
            "the current directory was removed", why=f"{path} is relative to it", hint="cd to another directory"
        ) from None


def _place(chosen: str | Path | None, kind: str, below: str) -> Path:
    if chosen:
        return absolute(Path(chosen).expanduser())
    import platformdirs  # not needed when the place is given

    base = platformdirs.user_data_path("projrun") if kind == "data" else platformdirs.user_cache_path("projrun")
    return base / below if below else base


def escape_reason(root: Path, relative: str) -> str | None:
    """Why ``relative`` is not a path inside ``root``, or None when it is.

    Links are followed as far as they exist, so a link that leads out counts as an escape.
    """
    if "\0" in relative:
        return "it holds a NUL byte"
    path = PurePosixPath(relative)
    if path.is_absolute():
        return "it is absolute"
    if ".." in path.parts:
        depth = 0
        for part in path.parts:
            depth += -1 if part == ".." else 1
            if depth < 0:
                return "it leads above the project"
    real_root = os.path.realpath(root)
    real = os.path.realpath(root / relative)
    if real != real_root and not real.startswith(real_root.rstrip("/") + "/"):
        return "a symbolic link leads out of the project"
    return None


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether ``path`` is one of ``directories`` or lies below one, by name alone."""
    plain = f"{posixpath.normpath(path)}/"
    return any(plain.startswith(f"{posixpath.normpath(directory)}/") for directory in directories)
