"""Whether the bytecode that Python keeps is what its sources say.

Python runs a .pyc whose header fits its source without looking at what the source says (PEP 3147, PEP 552). So
each one is compared with a fresh compilation, by the base interpreter: what is in the environment is the
suspect, and nothing of it is run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from projrun.core import process
from projrun.environment.manifest import CACHED

# Reads paths as JSON and writes one verdict a line. What an import would pass over is passed over here.
_COMPARE = """
import importlib.util, json, marshal, os, sys
def runs(path):
    try:
        source = importlib.util.source_from_cache(path)
        parts = os.path.basename(path).split(".")
        level = parts[-2][4:] if parts[-2].startswith("opt-") else ""
        tag = parts[-3] if level else parts[-2]
        with open(source, "rb") as file:
            text = file.read()
        with open(path, "rb") as file:
            data = file.read()
        status = os.stat(source)
    except (OSError, ValueError):
        return None
    if tag != sys.implementation.cache_tag or data[:4] != importlib.util.MAGIC_NUMBER:
        return None
    kind = int.from_bytes(data[4:8], "little")
    if kind == 0:
        times = [int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF]
        fits = data[8:16] == b"".join(number.to_bytes(4, "little") for number in times)
    else:
        fits = kind == 1 or data[8:16] == importlib.util.source_hash(text)
    return (source, text, data[16:], int(level or 0)) if fits else None
for path in json.load(sys.stdin):
    found = runs(path)
    same = True
    if found:
        source, text, data, level = found
        try:
            same = marshal.loads(data) == compile(text, source, "exec", dont_inherit=True, optimize=level)
        except Exception:
            same = False
    print(json.dumps(same), flush=True)
"""


def altered(directory: Path, python: Path) -> Iterator[str]:
    """The paths of the bytecode in ``directory`` that ``python`` would run and that its source does not say.

    ``python`` lies outside of ``directory``.
    """
    left = sorted(_kept(directory))
    while left:
        asked = json.dumps([str(directory / path) for path in left]).encode()
        done = process.run([python, "-I", "-S", "-B", "-W", "ignore", "-c", _COMPARE], stdin=asked)
        verdicts = done.stdout.split()
        yield from (path for path, verdict in zip(left, verdicts, strict=False) if verdict != b"true")
        if len(verdicts) == len(left):
            return
        yield left[len(verdicts)]  # broken so that it ended the process
        left = left[len(verdicts) + 1 :]


def _kept(directory: Path) -> Iterator[str]:
    for folder, _, names in os.walk(directory):
        if os.path.basename(folder) == CACHED:  # noqa: PTH119 - of thousands
            yield from (os.path.relpath(f"{folder}/{name}", directory) for name in names if name.endswith(".pyc"))
