"""Texts of files: ProjectSpec.yaml and what is read as it is."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import Problem, SpecError
from projrun.core.files import read_regular
from projrun.core.regex import regex
from projrun.spec.fault import Mark
from projrun.spec.model import SPEC_NAME

LARGEST = 10_000_000  # bytes

_BREAK = regex("\r\n|\r|\n")


def read_text(root: Path) -> str:
    """The text of ProjectSpec.yaml. Raises SpecError when it cannot be read, is too large or not UTF-8."""
    path = root / SPEC_NAME
    try:
        data = read_regular(path, LARGEST + 1)
    except FileNotFoundError:
        hint = "run 'projrun check DIR' with the directory that holds it"
        raise SpecError(f"there is no {SPEC_NAME} in {root}", hint=hint) from None
    except OSError as error:
        hint = f"{SPEC_NAME} must be a file that you may read"
        raise SpecError(f"{path} cannot be read", why=error.strerror or str(error), hint=hint) from None
    return decode(data, shown_name(root))


def shown_name(root: Path) -> str:
    """How problems name the file: from the current directory when it is below that, else whole."""
    path = root / SPEC_NAME
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
