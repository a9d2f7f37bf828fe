"""A Python that this machine does not have, downloaded by uv into uv's own folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.report import BUILD, Reporter
from projrun.environment import interpreters, uv
from projrun.environment.model import Interpreter


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
    report.phase("environment", f"downloading Python {version}, which is not on this machine")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".downloading-", dir=cache))
    except OSError as error:
        raise EnvironmentFailure(
            f"the cache {cache} cannot be written",
            why=error.strerror or str(error),
            hint="choose another folder: PROJRUN_CACHE=DIR",
        ) from error
    try:
        uv.install_python(version, folder, lambda data: report.write(BUILD, data))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return interpreters.find(version, cache)
