"""A program that writes a great deal: how fast it is taken down, and how much memory that takes."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.installed import Ground
from tests.benchmarks.projects import python
from tests.benchmarks.results import Part, Row, rounded
from tests.benchmarks.timing import LeftOut, run, tell
from tests.repositories import Repository

SIZE = 500_000_000
_SECRET = "A7f9-Qm21-zzTop-0815"
_SPEC = """\
version: 1
name: loud
environment:
  python: "{python}"
  lock: requirements.lock
{secrets}entry_points:
  main: {{command: [cat, {file}]}}
  silent: {{command: [cat, /dev/null]}}
"""


def measure(ground: Ground, size: int = SIZE) -> Part:
    text = ground.scratch / "lines.txt"
    write(text, size)
    roots: dict[str, Path] = {}
    for name, secrets in (("plain", ""), ("secret", "  secrets: [TOKEN]\n")):
        repository = Repository.create(ground.scratch / name)
        repository.write("ProjectSpec.yaml", _SPEC.format(python=python(), secrets=secrets, file=text))
        repository.write("requirements.lock", "")
        repository.commit()
        repository.push_to(ground.scratch / f"{name}.git")
        roots[name] = repository.path
    return _measure(ground, text, roots)


def write(path: Path, size: int) -> None:
    """Lines of 20 to 120 characters, of that many bytes together."""
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz ,.=0123456789"
    block = "".join("".join(chance.choices(letters, k=chance.randint(19, 119))) + "\n" for _ in range(20_000))
    with path.open("w") as file:
        for _ in range(0, size, len(block)):
            file.write(block)


def _measure(ground: Ground, text: Path, roots: dict[str, Path]) -> Part:
    """Each round: tee, a run that writes nothing, one that writes all; and so with a secret."""
    variables = {**ground.variables(), "TOKEN": _SECRET}
    megabytes = text.stat().st_size / 1e6
    rates: dict[str, list[float]] = {"tee": [], "plain": [], "secret": []}
    peaks: dict[str, list[float]] = {"plain": [], "secret": []}
    left_out: dict[str, str] = {}
    for number in range(-1, ground.rounds):
        rounds = 0 if number < 0 else 1
        tee = ["sh", "-c", f"cat {text} | tee {ground.scratch}/copy.txt"]
        rates["tee"] += [megabytes / run(tee, ground.scratch, variables, subprocess.DEVNULL).seconds] * rounds
        for name, root in roots.items():
            try:
                rate, peak = _rate(ground, root, megabytes, variables)
            except LeftOut as error:
                left_out[name] = str(error)
                continue
            rates[name] += [rate] * rounds
            peaks[name] += [peak] * rounds
        tell(f"  round {number + 1} of {ground.rounds}")
    return Part(tuple(_rows(rates, peaks)), left_out)


def _rate(ground: Ground, root: Path, megabytes: float, variables: dict[str, str]) -> tuple[float, float]:
    """MB a second beyond what a run takes that writes nothing, and the most memory of the runner in MB."""
    words = [ground.projrun(), "run", "-q", "-e"]
    silent = run([*words, "silent"], root, variables, subprocess.DEVNULL).seconds
    loud = run([*words, "main"], root, variables, subprocess.DEVNULL)
    for log in (ground.scratch / "home/store/runs").glob("*/output.log"):
        log.unlink()  # half a gigabyte each
    return megabytes / (loud.seconds - silent), loud.peak / 1e6


def _rows(rates: dict[str, list[float]], peaks: dict[str, list[float]]) -> Iterator[Row]:
    texts = {"tee": "cat, tee to a file", "plain": "projrun run", "secret": "projrun run, with a declared secret"}
    for name, values in rates.items():
        if values:
            yield Row(name, texts[name], rounded(values), "MB/s")
    for name, values in peaks.items():
        if values:
            yield Row(f"{name}-memory", f"{texts[name]}: memory of the runner", rounded(values), "MB")
