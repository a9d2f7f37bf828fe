"""Making an environment that can be renamed out of one whose scripts name the place it was made at."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
from pathlib import Path

from projrun.environment.installed import site_packages

# What begins a script as pip writes it: the interpreter, or, where its path is long or has a space, a shell that
# starts it. https://packaging.python.org/en/latest/specifications/binary-distribution-format/#recommended-installer-features
_SHELL = re.compile(rb"#!/bin/sh\n'''exec' (?P<path>\"[^\"\n]+\"|\S+) \"\$0\" \"\$@\"\n' '''\n")
_DIRECT = re.compile(rb"#!(?P<path>[^\n]+)\n")
_RELATIVE = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'%s' "$0" "$@"
' '''
"""


def make_relocatable(directory: Path, version: str) -> None:
    """Lets every script of a virtual environment find the interpreter beside it, and the RECORDs know them again.

    ``version`` is that of its Python.
    """
    scripts = directory / "bin"
    changed = {path: text for path in sorted(scripts.iterdir()) if (text := _relative(path, scripts)) is not None}
    for path, text in changed.items():
        path.write_bytes(text)
        path.chmod(path.stat().st_mode | 0o111)  # an archive made on Windows does not say that it is a program
    if changed:
        digests = {os.path.realpath(path): _digest(text) for path, text in changed.items()}
        packages = site_packages(directory, version)
        for record in packages.glob("*.dist-info/RECORD"):
            _correct(record, packages, digests)


def _relative(path: Path, scripts: Path) -> bytes | None:
    """The script with a beginning that holds anywhere; None when it names no interpreter in ``scripts``."""
    if path.is_symlink() or not path.is_file():
        return None
    data = path.read_bytes()
    match = _SHELL.match(data) or _DIRECT.match(data)
    if match is None:
        return None
    python = Path(os.fsdecode(match["path"].strip(b'"')))
    if python.parent != scripts:
        return None
    return _RELATIVE % os.fsencode(python.name) + data[match.end() :]


def _correct(record: Path, packages: Path, digests: dict[str, tuple[str, str]]) -> None:
    """Writes the digests and sizes of changed files into a RECORD (PEP 376)."""
    rows = list(csv.reader(record.read_text(encoding="utf-8").splitlines()))
    found = [
        [row[0], *digests.get(os.path.realpath(packages / row[0]), tuple(row[1:]))] if row else row for row in rows
    ]
    if found != rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(found)
        record.write_text(text.getvalue(), encoding="utf-8")


def _digest(data: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(data))
