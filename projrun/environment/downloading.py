"""A Python that this machine does not have, downloaded by uv into uv's own folder."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.report import BUILD, Reporter
from projrun.environment import interpreters, uv
from projrun.environment.model import Interpreter
from projrun.environment.turns import aside, left_behind, turn

_FOLDER = "downloads"  # of the cache
_ASIDE = ".downloading-"


def downloaded(requirement: str, cache: Path, report: Reporter) -> Interpreter:
    """The interpreter for ``requirement``, a version or a series, after it was downloaded.

    Raises EnvironmentFailure: for a range, which does not say what to download; when there is none to be had; and
    when what came is not what was asked for.
    """
    version = requirement.strip()
    if interpreters.Wanted(version).is_range:
        raise EnvironmentFailure(
            f"no Python {version} on this machine, and which to download is not said",
            why="A range fits several.",
            hint='name a series: python: "3.13" in ProjectSpec.yaml',
        )
    failed = f"Python {version} cannot be downloaded"
    with turn(_lock_file(cache, version), report, doing="downloads the same Python", failed=failed):
        with contextlib.suppress(interpreters.Missing):
            return interpreters.find(version, cache)  # who was waited for has it downloaded
        report.phase("environment", f"downloading Python {version}, which is not on this machine")
        for left in list(leftovers(cache, version)):
            shutil.rmtree(left, ignore_errors=True)
        with aside(cache / _FOLDER, _ASIDE, version) as folder:
            uv.install_python(version, folder, lambda data: report.write(BUILD, data))
    return interpreters.find(version, cache)


def leftovers(cache: Path, own: str | None = None) -> Iterator[Path]:
    """What killed downloads left beside uv's own folder. Those of the version ``own`` wait for the caller."""
    return left_behind(cache / _FOLDER, _ASIDE, lambda version: _lock_file(cache, version), own)


def _lock_file(cache: Path, version: str) -> Path:
    return cache / _FOLDER / f"{version}.lock"
