"""Texts that get lost easily, and a real child process that tells what it was given."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
HOSTILE = (
    "$(touch x)",
    "a=b",
    "",
    "--x",
    "v=--x",
    "08",
    "2020-10-10",
    "no",
    "1e400",
    "{brace}",
    "{{",
    "two  blanks",
    "a,b",
    "'\"`\\",
    "line\nline\n",
    "\t",
    "\N{SNOWMAN}\N{PILE OF POO}e\u0301",
    "*",
    "~",
    "# no",
    " ",
)
LONG_JSON = json.dumps({"rows": [{"name": f"row {n}", "x": n / 7, "tags": ["a", 'q"', "ü"]} for n in range(350)]})

_SHOW = "import os, sys; sys.stdout.buffer.write(b''.join(os.fsencode(one) + b'\\0' for one in sys.argv[1:]))"

# The words of a program that prints what it was given.
TELLER = (sys.executable, "-I", "-S", "-c", _SHOW)


def told(argv: Sequence[str]) -> tuple[str, ...]:
    """What the child says it was given, read as UTF-8."""
    done = subprocess.run(argv, capture_output=True, check=True)
    assert done.stderr == b""
    return tuple(done.stdout.decode().split("\0")[:-1])


def written(text: str) -> str:
    """``text`` as it is written in a command template."""
    return text.replace("{", "{{").replace("}", "}}")
