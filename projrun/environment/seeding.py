"""How a program is seeded without being changed: a start-up file for its Python, and the hash seed.

What happens then is in :mod:`projrun.environment.startup`, a copy of which the program's Python runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from projrun.core.regex import regex
from projrun.environment import startup

# The file in the folder that goes before all others on PYTHONPATH.
FILE = "sitecustomize.py"

LIBRARIES = ("python", "numpy", "torch")
STARTED = "started"

_PYTHON = regex(r"(python|pypy)(\d+(\.\d+)*t?)?")
# Options of Python that have a value, and those that keep it from the file: python(1).
_WITH_VALUE, _ISOLATING = frozenset("cmWX"), frozenset("EIS")


def start_up(seed: int, libraries: Sequence[str]) -> bytes:
    """The text of the start-up file."""
    source = Path(startup.__file__).read_text(encoding="utf-8")
    return f"{source}\n\nbegin({seed}, {tuple(libraries)!r})\n".encode()


def variables(seed: int, libraries: Sequence[str]) -> Mapping[str, str]:
    """The variables that seed; where the file is found is for :mod:`projrun.environment.launching`."""
    return {"PYTHONHASHSEED": str(seed)} if "python" in libraries else {}


def isolating_option(words: Sequence[str]) -> str | None:
    """The option of a command's Python that keeps it from being seeded, such as ``-I``; None when none is seen."""
    if not words or not _PYTHON.fullmatch(os.path.basename(words[0])):  # noqa: PTH119 - text
        return None
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-") or word.startswith("--") or word == "-":
            return None
        for place, letter in enumerate(word[1:], 1):
            if letter in _ISOLATING:
                return f"-{letter}"
            if letter in "cm":
                return None  # what follows is the program's
            if letter in _WITH_VALUE:
                if place == len(word) - 1:
                    next(rest, None)
                break
    return None


def seeded(folder: Path) -> frozenset[str]:
    """The libraries that a Python of the run seeded, and :data:`STARTED` when one ran the file at all."""
    try:
        return frozenset(entry.name for entry in folder.iterdir()) & {STARTED, *LIBRARIES}
    except OSError:
        return frozenset()
