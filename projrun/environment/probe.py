"""What an interpreter says about itself, asked once for each file and remembered."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun.core import process
from projrun.core.cache import keep, recall
from projrun.core.values import Struct
from projrun.environment.model import Interpreter

_TIME_LIMIT = 20.0  # seconds; a first start from a cold disk is slow, a broken one hangs
_FORMAT = 2

# Runs in any Python 3.4 or later, isolated and without site. The markers are those of PEP 508.
_QUESTION = """
import json, os, platform, sys, sysconfig
about = sys.implementation
version = "{0.major}.{0.minor}.{0.micro}".format(about.version)
if about.version.releaselevel != "final":
    version += about.version.releaselevel[0] + str(about.version.serial)
full = platform.python_version()
library = None
try:
    with open("/proc/self/maps") as maps:
        loaded = [line.split(None, 5)[5].strip() for line in maps if "/libpython" in line]
    library = loaded[0] if loaded else None
except (IOError, OSError):
    named = [sysconfig.get_config_var(name) or "" for name in ("LIBDIR", "INSTSONAME")]
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and os.path.isfile(os.path.join(*named)):
        library = os.path.join(*named)
print(json.dumps({
    "version": full,
    "implementation": about.name,
    "soabi": sysconfig.get_config_var("SOABI") or about.cache_tag or "",
    "platform": sysconfig.get_platform(),
    "library": library,
    "usual": not (sysconfig.get_config_var("Py_GIL_DISABLED") or hasattr(sys, "gettotalrefcount")),
    "markers": {
        "implementation_name": about.name,
        "implementation_version": version,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_system": platform.system(),
        "python_full_version": full,
        "platform_python_implementation": platform.python_implementation(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    },
}))
"""


class Described(Struct, frozen=True):
    """An interpreter, and whether it is the ordinary kind: CPython, with its lock, not a debug build."""

    interpreter: Interpreter
    usual: bool


class Descriptions:
    """The interpreters of this machine as they describe themselves; remembered in ``cache``."""

    def __init__(self, cache: Path) -> None:
        self._file = cache / "interpreters.json"
        self._known = recall(self._file, _known) or {}
        self._learned = False

    def of(self, executable: Path) -> Described | None:
        """What stands behind ``executable``, or None when it does not run."""
        base = base_interpreter(executable)
        identity = identity_of(base)
        if identity is None:
            return None
        entry = self._known.get(str(base))
        if not isinstance(entry, dict) or entry.get("identity") != [identity, _identity_of(entry.get("library"))]:
            facts = _ask(base)
            if facts is None:
                return None
            entry = {**facts, "identity": [identity, _identity_of(facts.get("library"))]}
            self._known[str(base)] = entry
            self._learned = True
        return _described(base, entry)

    def save(self) -> None:
        """Keeps what was learned."""
        if self._learned:
            keep(self._file, {"format": _FORMAT, "interpreters": self._known})


def identity_of(executable: Path) -> list[int] | None:
    """What tells this file from the one that may replace it: times, size, inode. None when it is not there."""
    try:
        status = executable.stat()
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


def _identity_of(library: object) -> list[int] | None:
    return identity_of(Path(library)) if isinstance(library, str) else None


def base_interpreter(executable: Path) -> Path:
    """The interpreter itself: links followed, and a virtual environment's copy traced to its home."""
    real = Path(os.path.realpath(executable))
    for _ in range(3):
        home = _home(real)
        if home is None:
            return real
        names = (real.name, "python3", "python")
        at_home = [home / name for name in names if os.access(home / name, os.F_OK)]
        if not at_home:
            return real
        real = Path(os.path.realpath(at_home[0]))
    return real


def _home(executable: Path) -> Path | None:
    """The ``home`` of the virtual environment this file lies in (PEP 405), or None."""
    try:
        text = (executable.parent.parent / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip().lower() == "home" and value.strip():
            return Path(value.strip())
    return None


def _ask(executable: Path) -> dict[str, Any] | None:
    try:
        done = process.run([executable, "-I", "-S", "-c", _QUESTION], timeout=_TIME_LIMIT)
        facts = json.loads(done.stdout) if done.ok else None
    except (OSError, ValueError, process.TimeoutExpired):
        return None
    return facts if isinstance(facts, dict) else None


def _known(document: Any) -> dict[str, Any]:
    """The entries of a cache by path; none out of one of another format."""
    return dict(document["interpreters"]) if document["format"] == _FORMAT else {}


def _described(path: Path, facts: Mapping[str, Any]) -> Described | None:
    kernel = os.uname()  # not remembered: another kernel starts without any interpreter changing
    try:
        interpreter = Interpreter(
            path=path,
            version=str(facts["version"]),
            implementation=str(facts["implementation"]),
            soabi=str(facts["soabi"]),
            platform=str(facts["platform"]),
            markers={
                **facts["markers"],
                "platform_release": kernel.release,
                "platform_version": kernel.version,
            },
            library=Path(facts["library"]) if facts.get("library") else None,
        )
        return Described(interpreter, bool(facts["usual"]) and interpreter.implementation == "cpython")
    except (KeyError, TypeError):
        return None
