"""The interpreter that runs the tests, packed as python-build-standalone packs those that uv downloads."""

from __future__ import annotations

import json
import platform
import re
import sys
import tarfile
from pathlib import Path

from tests.wheels import sha256_of

THIS = ".".join(map(str, sys.version_info[:3]))
_SERIES = ".".join(map(str, sys.version_info[:2]))
# Nothing that an environment needs, and most of the size.
_LEFT_OUT = re.compile(
    r"__pycache__|\.pyc$|/(test|tests|idlelib|tkinter|turtledemo|lib2to3|ensurepip|site-packages|dist-packages|config-.*)$"
)


def pack(archive: Path) -> Path:
    """Writes the archive: ``python/bin/python3.N`` and the standard library."""
    base = Path(sys.base_prefix)
    program = Path(sys.executable).resolve()
    shared = sorted((base / "lib").glob("libpython3*.so*"))

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if _LEFT_OUT.search(f"/{member.name}") else member

    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(program, f"python/bin/python{_SERIES}")
        for library in shared:
            tar.add(library, f"python/lib/{library.name}")
        tar.add(base / "lib" / f"python{_SERIES}", f"python/lib/python{_SERIES}", filter=kept)
    return archive


def downloads(archive: Path, listing: Path) -> Path:
    """Writes uv's list of what can be downloaded: this one archive."""
    machine = platform.machine()
    system, libc = ("darwin", "none") if sys.platform == "darwin" else ("linux", "gnu")
    major, minor, patch = sys.version_info[:3]
    entry = {
        "name": "cpython",
        "arch": {"family": "aarch64" if machine == "arm64" else machine, "variant": None},
        "os": system,
        "libc": libc,
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": sha256_of(archive),
        "variant": None,
        "build": "20240101",
    }
    name = f"cpython-{THIS}-{system}-{entry['arch']['family']}-{libc}"  # type: ignore[index]
    listing.write_text(json.dumps({name: entry}))
    return listing
