"""Everything that speed is measured with, in one command.

    python -m tests.benchmarks [PART ...] [--rounds N] [--output DIR | --print] [--hold]

PART is one of those below, ``default`` or ``all``. Installs projrun as a wheel, and the peers that the parts need,
into environments of their own in a cache folder, measures, and writes speed.json, speed.svg and the tables of
speed.md. Parts that were measured before and are not asked for now stay as they are in speed.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks import bars, page, results
from tests.benchmarks.installed import PEERS, ROOT, Ground, Installed, cache, install, packages
from tests.benchmarks.results import Part
from tests.benchmarks.timing import tell

PAGES = ROOT / "docs" / "explanation"


@dataclass(frozen=True)
class Kind:
    """A part: what it is, the peers it wants, how often by default, and whether it has to be asked for by name."""

    text: str
    rounds: int
    peers: tuple[str, ...] = ()
    heavy: bool = False


KINDS = {
    "warm": Kind("one more run of a tiny project, under each", 15, tuple(PEERS)),
    "cold": Kind("an environment from a lock, against uv's own", 5),
    "trees": Kind("1,000, 10,000 and 100,000 files, against git status", 9),
    "logs": Kind("half a gigabyte of output, against tee; with a secret, too", 3),
    "inprocess": Kind("100 runs from Python in one process", 1),
    "hashing": Kind("1 GB in one file and 10,000 small ones, against sha256sum and DVC", 3, ("dvc",)),
    "points": Kind("a million metric points, against MLflow's", 3, ("mlflow",)),
    "environment": Kind("the look at an environment, against os.lstat", 25),
    "queries": Kind("100,000 runs, against MLflow's own search of the same", 7, ("mlflow",), heavy=True),
}


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    names = _names(options.parts)
    peers = sorted({peer for name in names for peer in KINDS[name].peers})
    installed = install(options.cache, peers)
    path = options.output / "speed.json"
    parts = results.read(path)
    failed = []
    for name in names:
        tell(f"\n{name}: {KINDS[name].text}")
        try:
            parts[name] = measure(name, installed, options.rounds or KINDS[name].rounds)
        except Exception as error:  # the other parts are worth having all the same
            failed.append(name)
            tell(f"{name} is left out: {type(error).__name__}: {error}")
            continue
        if not options.print:
            _write(options.output, path, parts)
    chosen = {name: parts[name] for name in names if name in parts and name not in failed}
    sys.stdout.write(page.block(chosen) + "\n")
    missed = [bar for bar in bars.bars(chosen) if not bar.met]
    for bar in bars.bars(chosen):
        sys.stdout.write(f"{'met   ' if bar.met else 'MISSED'} {bar.part}: {bar}\n")
    for name in failed:
        sys.stdout.write(f"FAILED {name}: it could not be measured, and keeps the numbers it had\n")
    return 1 if options.hold and (missed or failed) else 0


def measure(name: str, installed: Installed, rounds: int) -> Part:
    """One part, in an empty directory that is removed. Raises LeftOut."""
    module = importlib.import_module(f"tests.benchmarks.{name}")
    with tempfile.TemporaryDirectory(prefix="projrun-benchmark-") as folder:
        part: Part = module.measure(Ground(Path(folder).resolve(), installed, rounds))
    wanted = {"projrun", "uv", *(package for peer in KINDS[name].peers for package in packages(peer))}
    versions = {peer: version for peer, version in installed.versions.items() if peer in wanted}
    today = dt.date.today().isoformat()
    return replace(part, versions=versions, measured=today, machine=results.machine())


def _write(directory: Path, path: Path, parts: dict[str, Part]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    results.write(path, parts)
    told = directory / "speed.md"
    text = told.read_text(encoding="utf-8") if told.exists() else f"{page.BEGIN}\n{page.END}\n"
    told.write_text(page.replaced(text, results.read(path)), encoding="utf-8")
    if "warm" in parts:
        (directory / "speed.svg").write_text(page.picture(parts), encoding="utf-8")


def _names(asked: Sequence[str]) -> list[str]:
    everything = "all" in asked
    default = not asked or "default" in asked
    return [name for name, kind in KINDS.items() if everything or name in asked or (default and not kind.heavy)]


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    listed = "\n".join(
        f"  {name:<12} {kind.text}{' (only when asked for)' if kind.heavy else ''}" for name, kind in KINDS.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog=f"parts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*KINDS, "default", "all", []], default=[])
    parser.add_argument("--rounds", type=int, help="how often, in place of each part's own number")
    parser.add_argument("--output", type=Path, default=PAGES, help="where to write (docs/explanation)")
    parser.add_argument("--print", action="store_true", help="write nothing")
    parser.add_argument("--hold", action="store_true", help="end with 1 when a bar is missed")
    parser.add_argument("--cache", type=Path, default=cache(), help="where the environments are kept")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
