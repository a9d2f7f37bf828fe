"""The texts of the files that ``environment`` names: locks and requirements."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.core.files import read_regular
from projrun.core.nearest import nearest_file
from projrun.core.paths import escape_reason
from projrun.spec.model import EnvironmentSpec

_SIZE_LIMIT = 10_000_000  # bytes; the largest real lock files are a tenth of this


def read_lock(spec: EnvironmentSpec, root: Path) -> str:
    """The text of the lock that the spec names. Raises EnvironmentFailure."""
    return read_text(root, spec.lock or "", "lock", how_to_make=spec.how_to_lock)


def read_text(root: Path, relative: str, role: str, *, how_to_make: str = "") -> str:
    """The text of a project's file. Raises EnvironmentFailure.

    ``role`` says what it is, and ``how_to_make`` what to do when it is not there, for errors.
    """
    escape = escape_reason(root, relative)
    if escape:
        hint = f"copy it into the project and name it there in environment.{role}"
        raise EnvironmentFailure(f"{role} {relative} is not inside the project", why=f"{escape}.", hint=hint)
    try:
        data = read_regular(root / relative, _SIZE_LIMIT + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = "There is no such file." if missing else error.strerror or str(error)
        hint = f"make it, or change environment.{role} in ProjectSpec.yaml"
        if missing:
            hint = " else: ".join(filter(None, (nearest_file(root, relative), how_to_make))) or hint
        raise EnvironmentFailure(f"{role} {relative} cannot be read", why=why, hint=hint) from error
    if len(data) > _SIZE_LIMIT:
        why, hint = f"The limit is {_SIZE_LIMIT:,} bytes.", f"name the {role} itself in environment.{role}"
        raise EnvironmentFailure(f"{role} {relative} is too large", why=why, hint=hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise EnvironmentFailure(
            f"{role} {relative} is not UTF-8 text",
            why=f"{relative}:{line}: {error.reason}.",
            hint="save the file as UTF-8",
        ) from error


def parse_toml(text: str) -> dict[str, Any]:
    """The values of a TOML text. Raises ValueError, which tells the line."""
    # By name, because the module that exists depends on the version that runs.
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    document: dict[str, Any] = reader.loads(text)
    return document
