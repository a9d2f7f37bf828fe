"""Commands against each other: each once a round, so that whatever disturbs one disturbs all."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.results import Part, Row, rounded

# What would lead a program elsewhere, or keep it from using bytecode. Where packages come from is left alone.
_FOREIGN = ("PYTHON", "GIT_", "PROJRUN_", "VIRTUAL_ENV", "CONDA_", "MLFLOW_", "DVC_", "DATALAD_", "GUILD_", "XDG_")
_QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "GIT_CONFIG_NOSYSTEM": "1",
}
_PATIENCE = 900.0


class LeftOut(Exception):
    """Something that cannot be measured here, and why."""


@dataclass(frozen=True)
class Contestant:
    """A command that is timed from its start to its end, and what comes before it untimed."""

    name: str
    text: str
    argv: Sequence[str | Path]
    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] | None = None
    every: int = 1  # takes part in one of so many rounds: for those that take seconds


@dataclass(frozen=True)
class Ran:
    """One command that ended well: seconds, the most memory that its process held in bytes, what it printed."""

    seconds: float
    peak: int
    output: str


def variables(home: Path, path: Sequence[Path] = ()) -> dict[str, str]:
    """The variables of a child: an empty home, the programs of ``path`` before the system's, bytecode written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    home.mkdir(parents=True, exist_ok=True)
    identity = home / ".gitconfig"
    if not identity.exists():
        identity.write_text("[user]\n\tname = Tester\n\temail = tester@example.invalid\n")
    own = {"HOME": str(home), "PROJRUN_STORE": str(home / "store"), "PROJRUN_CACHE": str(home / "cache")}
    programs = [*map(str, path), str(Path(sys.base_prefix) / "bin"), os.defpath]
    return {**kept, **_indexes(), **_QUIET, **own, "PATH": os.pathsep.join(programs)}


def run(
    argv: Sequence[str | Path], directory: Path, environment: Mapping[str, str], stdout: int | None = None
) -> Ran:
    """Runs a command to its end. Raises LeftOut when it fails or takes a quarter of an hour."""
    words = [str(word) for word in argv]
    begin = time.perf_counter()
    with subprocess.Popen(
        words,
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
    ) as process:
        watch = _Memory(process.pid)
        try:
            output, errors = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise LeftOut(f"{Path(words[0]).name} had not ended after {_PATIENCE:.0f} s") from None
        seconds = time.perf_counter() - begin
        peak = watch.stop()
    if process.returncode:
        said = (errors.strip() or (output or b"").strip()).decode(errors="replace").splitlines() or ["nothing"]
        told = [line for line in said if re.search("error|cannot|fatal", line, re.IGNORECASE)] or said
        raise LeftOut(f"{Path(words[0]).name} ended with {process.returncode}: {plain(told[-1])}")
    return Ran(seconds, peak, (output or b"").decode(errors="replace"))


def interleaved(contestants: Iterable[Contestant], rounds: int) -> Part:
    """Each command once to warm up, and then once a round, in an order that is another one each round.

    What comes after a command that took the processor's caches for itself is slower; so it varies.
    """
    left_out: dict[str, str] = {}
    taken: dict[str, list[float]] = {}
    there = []
    for one in contestants:
        tell(f"  {one.text}: once, untimed")
        try:
            _once(one)
            there.append(one)
            taken[one.name] = []
        except LeftOut as error:
            left_out[one.name] = str(error)
            tell(f"  left out: {error}")
    for number in range(rounds):
        turn = list(there)
        random.Random(number).shuffle(turn)
        for one in turn:
            if number % one.every or one.name in left_out:
                continue
            try:
                taken[one.name].append(_once(one))
            except LeftOut as error:
                left_out[one.name] = str(error)
        tell(f"  round {number + 1} of {rounds}")
    rows = [Row(one.name, one.text, rounded(taken[one.name])) for one in there if taken[one.name]]
    return Part(tuple(row for row in rows if row.name not in left_out), left_out)


def settle() -> None:
    """Waits until what was written is older than a tick of a clock: till then git, and projrun, read it again."""
    time.sleep(2.5)


def tell(text: str) -> None:
    """A line for whoever waits."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def plain(text: str) -> str:
    """A line without what is only true here: directories, and the names of servers."""
    text = re.sub(r"\w+://\S+", "(address)", text)
    return re.sub(r"(?<![\w.])(?:/[^\s/'\":]+){2,}/?", "(path)", text)[:200]


def _once(one: Contestant) -> float:
    if one.before:
        one.before()
    return run(one.argv, one.directory, one.variables, stdout=subprocess.DEVNULL).seconds


def _indexes() -> dict[str, str]:
    """Where packages come from, said by files that a new home has not."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = {"UV_CONFIG_FILE": config / "uv" / "uv.toml", "PIP_CONFIG_FILE": config / "pip" / "pip.conf"}
    there = {name: str(path) for name, path in files.items() if name not in os.environ and path.exists()}
    cache = os.environ.get("UV_CACHE_DIR") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv"
    )
    return {**there, "UV_CACHE_DIR": cache}


class _Memory:
    """Reads how much memory a process has held at most, until it ends: of it alone, not of what it starts."""

    def __init__(self, process: int) -> None:
        self._status = Path(f"/proc/{process}/status")
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                found = re.search(r"^VmHWM:\s+(\d+) kB", self._status.read_text(), re.MULTILINE)
            except OSError:
                return
            if found:
                self._peak = max(self._peak, int(found[1]) * 1024)
