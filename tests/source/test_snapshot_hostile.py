"""The snapshots of a store that somebody else made: git runs nothing for them and waits for nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from projrun.core.errors import ProjrunError
from projrun.source import inspect, snapshot
from projrun.source.restore import restore
from tests.repositories import Repository


def _configured(*lines: str) -> Callable[[Path, Path], None]:
    def spoil(sources: Path, witness: Path) -> None:
        with (sources / "config").open("a") as file:
            file.writelines(line.format(witness=witness) + "\n" for line in lines)

    return spoil


def _pipe(name: str) -> Callable[[Path, Path], None]:
    def spoil(sources: Path, _: Path) -> None:
        (sources / name).parent.mkdir(exist_ok=True)
        (sources / name).unlink(missing_ok=True)
        os.mkfifo(sources / name)

    return spoil


def _included(sources: Path, witness: Path) -> None:
    os.mkfifo(witness.with_name("pipe"))
    _configured(f"[include]\n\tpath = {witness.with_name('pipe')}")(sources, witness)


def _alternates(sources: Path, witness: Path) -> None:
    (sources / "objects/info").mkdir(exist_ok=True)
    (sources / "objects/info/alternates").write_text(f"{witness.parent}\n")


SPOILED = [
    _configured("[core]", "\tfsmonitor = touch {witness}"),
    _configured("[core]", "\tpager = touch {witness}", "[alias]", "\tcat-file = !touch {witness}"),
    _configured('[filter "x"]', "\tclean = touch {witness}"),
    _included,
    _alternates,
    *map(_pipe, ("config", "HEAD", "packed-refs", "objects/info/alternates")),
]


@pytest.mark.parametrize("spoil", SPOILED)
def test_it_is_refused(tmp_path: Path, repository: Repository, spoil: Callable[[Path, Path], None]) -> None:
    repository.write("a.txt", "not committed\n")
    sources, witness = tmp_path / "store" / "sources.git", tmp_path / "witness"
    taken = snapshot.snapshot(inspect.inspect(repository.path), sources, limit=1 << 20)
    spoil(sources, witness)
    with pytest.raises(ProjrunError, match="not as projrun makes it"):
        restore(sources, str(taken.snapshot), tmp_path / "restored")
    repository.write("a.txt", "changed\n")
    with pytest.raises(ProjrunError, match="not as projrun makes it"):
        snapshot.snapshot(inspect.inspect(repository.path), sources, limit=1 << 20)
    assert not witness.exists()


def test_hooks_are_not_run(tmp_path: Path, repository: Repository) -> None:
    repository.write("a.txt", "not committed\n")
    sources, witness = tmp_path / "store" / "sources.git", tmp_path / "witness"
    snapshot.snapshot(inspect.inspect(repository.path), sources, limit=1 << 20)
    (sources / "hooks").mkdir()
    for name in ("post-index-change", "reference-transaction", "pre-commit", "post-checkout"):
        (sources / "hooks" / name).write_text(f"#!/bin/sh\ntouch {witness}\n")
        (sources / "hooks" / name).chmod(0o755)
    repository.write("a.txt", "changed\n")
    taken = snapshot.snapshot(inspect.inspect(repository.path), sources, limit=1 << 20)
    restore(sources, str(taken.snapshot), tmp_path / "restored")
    assert (tmp_path / "restored" / "a.txt").read_text() == "changed\n"
    assert not witness.exists()
