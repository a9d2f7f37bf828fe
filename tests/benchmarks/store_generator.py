"""Makes a run store of any size, with documents as real ones are: for what takes its time with the number of runs.

    python -m tests.benchmarks.store_generator DIR [--runs N] [--seed S]

Each run has 20 parameters, 10 metrics, a lock of real length and perhaps tags; some failed, a few are lost. The
same seed gives the same runs. Files are written without waiting for the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from projrun.core.hashing import sha256_bytes
from projrun.core.values import replace
from projrun.recipe.document import outcome_document, recipe_document, start_document
from projrun.store.ids import ALPHABET, LENGTH, LETTERS
from projrun.store.run import ALIVE
from projrun.store.store import Store
from tests.recipe import parts

MODELS = ("tree", "forest", "linear", "boosted")
METRICS = ("rmse", "mae", "r2", "loss", "val.rmse", "val.mae", "val.r2", "val.loss", "seconds_per_step", "epochs")
_YEAR = 365 * 86400
_PACKAGES = 120  # each with two hashes: 20 kB of lock


def generate(directory: Path, runs: int, *, seed: int = 0, root: Path = parts.ROOT) -> None:
    """A store with that many runs of the project at ``root``, started during the last year."""
    store = Store(directory)
    store.prepare()
    chance = random.Random(seed)
    now = time.time()
    recipe = _recipe()
    for number in range(runs):
        created = now - _YEAR * (1 - number / runs)
        run = chance.choice(LETTERS) + "".join(chance.choices(ALPHABET, k=LENGTH - 1))
        path = store.runs_directory / run
        path.mkdir(mode=0o700)
        (path / ALIVE).touch(mode=0o600)
        for kind, document in _documents(run, created, root, recipe, chance):
            descriptor = os.open(path / f"{kind}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(json.dumps(document).encode() + b"\n")


def parameters(chance: random.Random) -> list[dict[str, Any]]:
    """Twenty parameters: ``model``, ``depth``, ``rate``, ``log_target`` and sixteen more."""
    values: list[tuple[str, str, Any]] = [
        ("model", "str", chance.choice(MODELS)),
        ("depth", "int", chance.randint(1, 30)),
        ("rate", "float", round(10 ** chance.uniform(-5, 0), 8)),
        ("log_target", "bool", chance.random() < 0.5),
        *((f"size_{number}", "int", chance.randint(0, 10**6)) for number in range(6)),
        *((f"weight_{number}", "float", chance.random()) for number in range(6)),
        *((f"choice_{number}", "str", chance.choice("abcdefgh") * 8) for number in range(4)),
    ]
    return [
        {"name": name, "type": kind, "raw": str(value), "value": value, "origin": "command line"}
        for name, kind, value in values
    ]


def metrics(chance: random.Random) -> list[dict[str, Any]]:
    """Ten metrics; ``rmse`` is below 1 in half of the runs, and NaN in one of a thousand."""
    values: list[Any] = [chance.random() * 2 for _ in METRICS[:-1]]
    values.append(chance.randint(1, 1000))
    if chance.random() < 0.001:
        values[0] = "NaN"
    return [
        {"name": name, "value": value, "file": "results/metrics.json"}
        for name, value in zip(METRICS, values, strict=True)
    ]


def _recipe() -> dict[str, Any]:
    """What the recipes of all runs have in common."""
    document = recipe_document(parts.recipe_parts())
    digests = (sha256_bytes(str(number).encode()) for number in range(2 * _PACKAGES))
    lines = [
        f"package-{number}==1.{number} --hash=sha256:{next(digests)} --hash=sha256:{next(digests)}\n"
        for number in range(_PACKAGES)
    ]
    document["environment"]["lock"]["text"] = "".join(lines)
    return document


def _documents(
    run: str, created: float, root: Path, recipe: dict[str, Any], chance: random.Random
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The documents of a run, by their kinds; a lost run has no outcome."""
    tags = {"team": chance.choice(("red", "blue"))} | ({"draft": ""} if chance.random() < 0.05 else {})
    start = start_document(replace(parts.start_parts(run), created=created, root=root))
    labels = {"name": f"run-{run[:4]}", "tags": tags, "note": None}
    yield "start", start | labels
    mine = {"run": run, "created": start["created"], "parameters": parameters(chance)}
    yield "recipe", recipe | labels | mine
    fate = chance.random()
    if fate < 0.005:
        return
    failed = fate < 0.1
    took = chance.expovariate(1 / 600)
    outcome = replace(
        parts.outcome_parts(run),
        status="failed" if failed else "finished",
        exit_code=int(failed),
        started=created,
        ended=created + took,
    )
    yield "outcome", outcome_document(outcome) | {"metrics": [] if failed else metrics(chance)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.store_generator")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generate(options.directory, options.runs, seed=options.seed)
    sys.stdout.write(f"{options.directory}: {options.runs:,} runs\n")


if __name__ == "__main__":
    main()
