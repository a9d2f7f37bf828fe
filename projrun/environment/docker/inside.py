"""What is inside an image: Python distributions as their metadata says, and the system's packages.

They are asked for by one short program in a container without a network. An image without a shell, or without
Python, has less to tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from projrun.core.engine.client import Engine
from projrun.core.engine.model import LOCK_LABEL, Completed, Image
from projrun.core.errors import EngineFailure
from projrun.core.values import Struct, astuple
from projrun.environment.installed import Metadata, distributions
from projrun.environment.lock import normalised
from projrun.environment.model import Distribution, Package

_SECONDS = 300.0  # a cold disk and thousands of packages
_AS_ROOT = "0:0"  # who may read all there is
# What runc and crun say of a program that is not there; whatever else they say is the engine's trouble.
_NO_PROGRAM = re.compile(r"\bexec(utable)?\b.*(not found|no such file|permission denied|format error)", re.I)

# For every Python there is, 2.7 too. What is first on its path comes first, as it is imported.
_ASK_PYTHON = r"""
import io, json, os, platform, sys
def text(*parts):
    try:
        with io.open(os.path.join(*parts), encoding="utf-8", errors="replace") as file:
            return file.read()
    except (IOError, OSError):
        return ""
found = []
for folder in sys.path:
    if not folder or not os.path.isdir(folder):
        continue
    for name in sorted(os.listdir(folder)):
        if name.endswith((".dist-info", ".egg-info")):
            place = os.path.join(folder, name)
            told = text(place, "METADATA") or text(place, "PKG-INFO") or text(place)
            found.append([told.split("\n\n")[0], text(place, "RECORD")])
print(json.dumps({"version": platform.python_version(), "found": found}))
"""

_ASK_ALL = r"""
for python in python3 python; do
    if command -v "$python" >/dev/null 2>&1; then
        echo "<python>"; "$python" -s -c "$1" 2>/dev/null; echo; break
    fi
done
if command -v dpkg-query >/dev/null 2>&1; then
    echo "<dpkg>"; dpkg-query -W -f='${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n' 2>/dev/null
fi
if command -v rpm >/dev/null 2>&1; then
    echo "<rpm>"; rpm -qa --qf 'ii\t%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\n' 2>/dev/null
fi
if [ -r /lib/apk/db/installed ]; then
    echo "<apk>"
    while IFS= read -r line; do case $line in [PVA]:*|'') echo "$line";; esac; done < /lib/apk/db/installed
fi
exit 0
"""


class Contents(Struct, frozen=True):
    """What was found. ``python`` is the version of the Python that comes first on the image's PATH."""

    python: str | None = None
    distributions: tuple[Distribution, ...] = ()
    packages: tuple[Package, ...] = ()


def look(image: Image, engine: Engine, lock: Path) -> Contents:
    """Looks into an image. ``lock`` is a file that the caller holds: the container is a stray without it.

    Raises EngineFailure.
    """
    labels = {LOCK_LABEL: str(lock)}
    asked = ["sh", "-c", _ASK_ALL, "sh", _ASK_PYTHON]
    done = _told(engine, image, asked, labels)
    if done is not None:
        return _contents(done.stdout.decode(errors="replace"))
    for name in ("python3", "python"):
        done = _told(engine, image, [name, "-s", "-c", _ASK_PYTHON], labels)
        if done is not None:
            return _contents("<python>\n" + done.stdout.decode(errors="replace"))
    return Contents()


def _told(engine: Engine, image: Image, argv: list[str], labels: Mapping[str, str]) -> Completed | None:
    """What a program of the image wrote; None when it has no such program."""
    try:
        done = engine.run_once(image.id, argv, user=_AS_ROOT, timeout=_SECONDS, labels=labels)
    except EngineFailure as failure:
        if _NO_PROGRAM.search(failure.why):
            return None
        raise
    return done if done.exit_code == 0 else None


def _contents(text: str) -> Contents:
    parts = dict(re.findall(r"^<(\w+)>\n(.*?)(?=^<\w+>\n|\Z)", text, re.DOTALL | re.MULTILINE))
    python, found = _python(parts.get("python", ""))
    packages = [
        *_table(parts.get("dpkg", ""), "dpkg"),
        *_table(parts.get("rpm", ""), "rpm"),
        *_apk(parts.get("apk", "")),
    ]
    return Contents(python, found, tuple(sorted(packages, key=astuple)))


def _python(text: str) -> tuple[str | None, tuple[Distribution, ...]]:
    try:
        document = json.loads(text)
        return str(document["version"]), distributions(_metadata(document["found"]))
    except (ValueError, LookupError, TypeError):
        return None, ()


def _metadata(found: Iterable[tuple[str, str]]) -> Iterator[Metadata]:
    for told, record in found:
        headers = dict(re.findall(r"^(Name|Version):[ \t]*(\S+)", told, re.MULTILINE))
        if len(headers) == 2:
            yield Metadata(normalised(headers["Name"]), headers["Version"], (), (), record)


def _table(text: str, manager: str) -> Iterator[Package]:
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 4 and fields[0].startswith("ii") and fields[1] != "gpg-pubkey":
            yield Package(fields[1], fields[2], fields[3], manager)


def _apk(text: str) -> Iterator[Package]:
    """The packages of Alpine's database: one paragraph for each, one letter for each field."""
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(":", 1) for line in paragraph.splitlines() if ":" in line)
        if {"P", "V"} <= fields.keys():
            yield Package(fields["P"], fields["V"], fields.get("A", ""), "apk")
