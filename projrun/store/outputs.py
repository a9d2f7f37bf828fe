"""Outputs and inputs of runs as objects of the store: a file by its content, a directory by a list of its entries.

The list is a JSON object: ``{"document": "directory", "version": 1, "entries": [...]}``. An entry has a ``path``
relative to the directory and a ``kind``: ``file`` with ``sha256`` (an object too) and ``executable``, ``link``
with ``target``, or ``directory``. Pipes, sockets and devices are left out.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from projrun.core.copying import make_parents
from projrun.core.files import encode_json, irregular
from projrun.store.objects import Objects, damaged

VERSION = 1


def keep_output(objects: Objects, path: Path, sha256: str | None = None, *, without: tuple[str, ...] = ()) -> str:
    """Keeps a file or directory and returns the digest of its object.

    ``sha256`` is that of a file, when it is known; what is called ``without`` is left out of a directory.

    Raises OSError for what cannot be read or is neither, and StoreError.
    """
    if not path.is_dir():
        if kind := irregular(path):
            raise OSError(0, f"it is {kind} and not a file", str(path))
        return objects.put_file(path, sha256)
    listed: list[dict[str, Any]] = []
    for place, folders, files in os.walk(path, onerror=_refuse):
        folders[:] = sorted(set(folders).difference(without))
        for name in sorted((*folders, *set(files).difference(without))):
            full = Path(place, name)
            listed += _entry(objects, full, os.path.relpath(full, path))
    return _put_list(objects, listed)


def keep_files(objects: Objects, root: Path, paths: Sequence[str]) -> str:
    """Keeps some files below ``root`` as a directory that holds them and nothing else; links are followed.

    Raises OSError and StoreError.
    """
    listed = []
    for path in paths:
        executable = bool((root / path).stat().st_mode & stat.S_IXUSR)
        sha256 = objects.put_file(root / path)
        listed.append({"path": path, "kind": "file", "sha256": sha256, "executable": executable})
    return _put_list(objects, listed)


def fill(objects: Objects, sha256: str, place: Path) -> None:
    """Writes what a kept directory has, and ``place`` has not, below ``place``. Raises OSError and StoreError."""
    place.mkdir(exist_ok=True)
    for entry in entries(objects, sha256):
        target = make_parents(place, entry["path"])
        if not os.path.lexists(target):
            _write_entry(objects, entry, target)


def check_whole(objects: Objects, sha256: str, *, directory: bool) -> None:
    """Raises StoreError unless an object, and of a directory each of its files, can be read and is whole."""
    if not directory:
        objects.open(sha256).close()
        return
    for entry in entries(objects, sha256):
        if entry["kind"] == "file":
            objects.open(entry["sha256"]).close()


def _put_list(objects: Objects, listed: list[dict[str, Any]]) -> str:
    inside = sorted(listed, key=lambda one: one["path"])
    return objects.put_bytes(encode_json({"document": "directory", "version": VERSION, "entries": inside}))


def write_output(objects: Objects, sha256: str, place: Path, *, directory: bool) -> None:
    """Writes a kept output to ``place``, where nothing is. Raises OSError, and StoreError for a damaged object."""
    if not directory:
        objects.copy_to(sha256, place)
        return
    place.mkdir()
    for entry in entries(objects, sha256):
        _write_entry(objects, entry, make_parents(place, entry["path"]))


def write_part(objects: Objects, sha256: str, part: str, place: Path) -> bool:
    """Writes what a kept directory has at ``part`` to ``place``, where nothing is; False when there is nothing.

    Raises OSError and StoreError.
    """
    inside = [
        entry
        for entry in entries(objects, sha256)
        if entry["path"] == part or entry["path"].startswith(f"{part}/")
    ]
    for entry in inside:
        target = make_parents(place, entry["path"][len(part) + 1 :]) if entry["path"] != part else place
        _write_entry(objects, entry, target)
    return bool(inside)


def _write_entry(objects: Objects, entry: dict[str, Any], target: Path) -> None:
    if entry["kind"] == "directory":
        target.mkdir(exist_ok=True)
    elif entry["kind"] == "link":
        target.symlink_to(entry["target"])
    else:
        objects.copy_to(entry["sha256"], target, executable=entry["executable"])


def entries(objects: Objects, sha256: str) -> list[dict[str, Any]]:
    """The entries of a kept directory. Raises StoreError, also for one that would leave the directory."""
    try:
        found: list[dict[str, Any]] = json.loads(objects.read(sha256))["entries"]
        paths = [PurePosixPath(entry["path"]) for entry in found]
    except (ValueError, LookupError, TypeError) as error:
        raise damaged("the list of a directory is not one", str(error)) from error
    for path in paths:
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise damaged("the list of a directory names what is not in it", str(path))
    return found


def _entry(objects: Objects, full: Path, path: str) -> list[dict[str, Any]]:
    mode = full.lstat().st_mode
    if stat.S_ISLNK(mode):
        return [{"path": path, "kind": "link", "target": os.readlink(full)}]  # noqa: PTH115 - the text, as it is
    if stat.S_ISDIR(mode):
        return [{"path": path, "kind": "directory"}]
    if not stat.S_ISREG(mode):
        return []
    executable = bool(mode & stat.S_IXUSR)
    return [{"path": path, "kind": "file", "sha256": objects.put_file(full), "executable": executable}]


def _refuse(error: OSError) -> None:
    raise error
