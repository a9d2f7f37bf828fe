"""The tutorial, typed from top to bottom in a new directory, by somebody whose index has one package."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.index_server import serving
from tests.wheels import make_wheel

TUTORIAL = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
SERIES = "{}.{}".format(*sys.version_info)

# As much of it as the tutorial's program uses.
NUMPY = {
    "numpy/__init__.py": "from numpy import random\n",
    "numpy/random.py": """\
import random


class Thrown(list):
    def __eq__(self, value):
        return Thrown(one == value for one in self)

    def sum(self):
        return sum(map(int, self))


class default_rng:
    def __init__(self, seed):
        self._random = random.Random(seed)

    def integers(self, low, high, size):
        return Thrown(self._random.randrange(low, high) for _ in range(size))
""",
}


# A file with the name that the paragraph before it begins with, another block, or a command.
SHOWN = re.compile(
    r"^`(?P<name>[\w.]+)`[^\n]*\n\n```\w*\n(?P<text>.*?)^```$"
    r"|^```\w*\n.*?^```$"
    r"|^    (?P<command>\S[^\n]*)$",
    re.MULTILINE | re.DOTALL,
)


def steps() -> Iterator[str]:
    """What the reader types, in order: each file that is shown with its name, and each command."""
    _, _, page = TUTORIAL.read_text().replace("3.11", SERIES).partition("\n## 1.")
    for found in SHOWN.finditer(page):
        if found["name"]:
            yield f"cat >{found['name']} <<'END'\n{found['text']}END"
        elif found["command"]:
            yield found["command"]


@pytest.mark.slow
def test_the_tutorial_can_be_typed_from_top_to_bottom(
    tmp_path: Path, hostile_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "archives", "numpy", "1.26.4", files=NUMPY)
    (hostile_environment / ".gitconfig").write_text(
        "[user]\n\tname = A Reader\n\temail = reader@example.invalid\n"
    )
    command = tmp_path / "bin/projrun"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m projrun "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{sys.base_prefix}/bin:/usr/bin:/bin")
    typed = list(steps())
    script = "\n".join(["set -e", *(f"echo '$' {number} >&2\n{step}" for number, step in enumerate(typed))])
    with serving(tmp_path / "archives") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert sum(step.startswith("projrun run") for step in typed) >= 4
    assert "projrun run --strict" in typed
    assert done.stderr.count("throws gave 6") + done.stdout.count("throws gave 6") >= 4
    assert (tmp_path / "dice/results/metrics.json").exists()
    assert "no problems" in done.stderr
