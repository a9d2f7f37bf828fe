"""Texts of files: a specification's and what is read as it is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from projrun.core.errors import Problem, SpecError
from projrun.core.files import read_regular
from projrun.core.regex import regex
from projrun.spec.fault import Mark
from projrun.spec.model import MLPROJECT_NAME, SPEC_NAME, is_specification

LARGEST = 10_000_000  # bytes

_USUAL = (MLPROJECT_NAME, MLPROJECT_NAME.lower(), "MLProject")

_BREAK = regex("\r\n|\r|\n")


def specification_in(directory: Path, *, thorough: bool = True) -> str | None:
    """The name of the file in ``directory`` that says what the project is; None where there is none.

    It is ProjectSpec.yaml, whatever that is there, else the file MLproject. The letters of the latter may be of
    any case; not ``thorough``: of those that are usual.
    """
    if os.path.lexists(directory / SPEC_NAME):
        return SPEC_NAME
    for name in _USUAL:
        if os.path.isfile(directory / name):  # noqa: PTH113 - pathlib's raises in a directory that is closed
            return name
    if thorough:
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            return min((one.name for one in entries if is_specification(one.name) and one.is_file()), default=None)
    return None


def read_text(root: Path) -> str:
    """The text of the specification. Raises SpecError when it cannot be read, is too large or not UTF-8."""
    path = root / (specification_in(root) or SPEC_NAME)
    try:
        data = read_regular(path, LARGEST + 1)
    except FileNotFoundError:
        hint = "run 'projrun check DIR' with the directory that holds it"
        raise SpecError(f"there is no {SPEC_NAME} in {root}", hint=hint) from None
    except OSError as error:
        hint = f"{path.name} must be a file that you may read"
        raise SpecError(f"{path} cannot be read", why=error.strerror or str(error), hint=hint) from None
    return decode(data, shown_name(root))


def shown_name(root: Path) -> str:
    """How problems name the file: from the current directory when it is below that, else whole."""
    path = root / (specification_in(root) or SPEC_NAME)
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):
        return str(path)


def decode(data: bytes, file: str) -> str:
    """The text of a file's bytes. Raises SpecError when it is too large or not UTF-8."""
    if len(data) > LARGEST:
        raise _error(file, (1, 1), f"the file is larger than {LARGEST // 1_000_000} MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise _error(file, mark(before, len(before)), message, "save the file as UTF-8") from None


def mark(text: str, offset: int) -> Mark:
    """The line and column of an offset."""
    breaks = list(_BREAK.finditer(text, 0, offset))
    return len(breaks) + 1, offset - (breaks[-1].end() if breaks else 0) + 1


def _error(file: str, place: Mark, message: str, hint: str = "") -> SpecError:
    return SpecError(f"{file} cannot be read", problems=(Problem(file, *place, message, hint),))
