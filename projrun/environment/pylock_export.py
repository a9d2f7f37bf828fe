"""An environment's lock as a pylock.toml (PEP 751).

A lock of ours knows hashes and no files. Their names and addresses are the index's, which uv asks; what is then
kept are the files that the lock has the hashes of.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.core.report import BUILD, Reporter
from projrun.core.userinfo import without_userinfo
from projrun.environment import platforms
from projrun.environment.builder import LookupRequest
from projrun.environment.exported import Contents
from projrun.environment.lock import LockLine, normalised
from projrun.environment.model import Means
from projrun.environment.text import parse_toml
from projrun.environment.uv import Uv


def pylock(contents: Contents, means: Means, report: Reporter) -> str:
    """The lock as a pylock.toml for the interpreter and its platform, with the addresses of this machine's index.

    Raises EnvironmentFailure when the index does not have the files that were locked.
    """
    count = len(contents.applying)
    report.phase("lock", f"asking the package index for the files of {count} package{'s' * (count != 1)}")
    folder = Path(tempfile.mkdtemp(prefix="projrun-"))
    request = LookupRequest(
        folder,
        contents.interpreter,
        contents.platform,
        contents.applying,
        contents.source_distributions,
        means.offline,
    )
    try:
        values = parse_toml(Uv().look_up(request, lambda data: report.write(BUILD, data)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    document = {
        "lock-version": values["lock-version"],
        "created-by": "projrun",
        "requires-python": f"=={'.'.join(contents.interpreter.version.split('.')[:2])}.*",
        "packages": _packages(values, contents),
    }
    if contents.platform in platforms.PLATFORMS:
        document["environments"] = [platforms.marker(contents.platform)]
    return _text(document)


def _packages(values: Mapping[str, Any], contents: Contents) -> list[dict[str, Any]]:
    found = {str(package["name"]): package for package in values.get("packages", ())}
    allowed = {normalised(name) for name in contents.source_distributions}
    packages, gone = [], []
    for line in contents.applying:
        package = found.get(line.name, {})
        wheels = [_file(wheel) for wheel in package.get("wheels", ()) if _is_locked(wheel, line)]
        sdist = package.get("sdist", {})
        files: dict[str, Any] = {"wheels": wheels} if wheels else {}
        if line.name in allowed and sdist and _is_locked(sdist, line):
            files["sdist"] = _file(sdist)
        if not files:
            gone.append(f"{line.name}=={line.version}")
        packages.append({"name": line.name, "version": line.version, **files})
    if gone:
        raise EnvironmentFailure(
            "the package index does not have the files that were locked",
            why="\n".join(gone),
            hint="use the index they were locked from (UV_DEFAULT_INDEX), or export --format requirements",
        )
    return packages


def _is_locked(file: Mapping[str, Any], line: LockLine) -> bool:
    return any(f"{algorithm}:{digest}" in line.hashes for algorithm, digest in file["hashes"].items())


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    """A file without the user names and passwords that its address may have."""
    return {key: without_userinfo(value) if key == "url" else value for key, value in file.items()}


def _text(document: Mapping[str, Any]) -> str:
    import tomli_w
    from packaging.pylock import Pylock

    Pylock.from_dict(document)  # what is not valid is a defect, and is not handed out
    return tomli_w.dumps(document)
