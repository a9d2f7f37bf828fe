"""What a verb writes to the file that ``-o`` names."""

from __future__ import annotations

import os
from pathlib import Path

import click

from projrun.cli.render import printable
from projrun.core.errors import UsageError
from projrun.core.files import irregular, write_atomic


def place(path: Path, data: bytes) -> None:
    """Writes it whole or not at all, and tells when another file was there. Raises UsageError."""
    try:
        if irregular(path):  # a pipe or a device: there is nothing to rename over
            path.write_bytes(data)
            return
        replaced = path.exists()
        write_atomic(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written", why=error.strerror or str(error), hint="name another file: -o FILE"
        ) from error
    if replaced:
        click.echo(f"{printable(str(path))}: replaced", err=True)
