"""Hand-made wheels and source distributions: real ones, made in milliseconds, of a few bytes each."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# The earliest time a zip file can hold: the same wheel has the same digest each time it is made.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    scripts: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    requires_python: str = "",
    licence: str = "",
    record: str = "",
    metadata: str = "",
) -> Path:
    """Writes a wheel into ``folder`` and returns its path.

    It holds a module ``name`` with ``VERSION``, a ``main()`` that prints name and version, and ``files``.
    ``scripts`` are console scripts: name to ``module:function``; ``licence`` is a PEP 639 expression. ``record``
    and ``metadata`` are more lines of these files. A surrogate stands for a byte that is not UTF-8 (PEP 383).
    """
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    source = f"VERSION = {version!r}\n\n\ndef main():\n    print({name!r}, VERSION)\n"
    contents = {f"{module}/__init__.py": source, **(files or {})}
    contents[f"{info}/METADATA"] = _metadata(name, version, requires, requires_python, licence) + metadata
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if scripts:
        lines = "".join(f"{script} = {target}\n" for script, target in scripts.items())
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    rows = "".join(f"{path},sha256={_digest(text)},{len(_bytes(text))}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = f"{rows}{record}{info}/RECORD,,\n"
    wheel = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), _bytes(text))
    return wheel


def remake(wheel: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Writes a wheel again, with what ``change`` makes of its files (name to content)."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return wheel


def make_source_distribution(folder: Path, name: str, version: str = "1.0", *, first: str = "") -> Path:
    """Writes a source distribution that builds itself with nothing but the standard library.

    ``first`` is Python that its build begins with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{version}"
    built = make_wheel(folder / "built", name, version).read_bytes()
    backend = (
        f"import pathlib\n{first}\n"
        "def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):\n"
        f"    wheel = pathlib.Path(wheel_directory, '{stem}-py3-none-any.whl')\n"
        f"    wheel.write_bytes(bytes.fromhex('{built.hex()}'))\n"
        "    return wheel.name\n"
    )
    contents = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        "PKG-INFO": _metadata(name, version, ()),
        "backend.py": backend,
    }
    archive = folder / f"{stem}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path, text in contents.items():
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return archive


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lock_of(*archives: Path) -> str:
    """A lock with one line for each archive, pinned and hashed."""
    lines = []
    for archive in archives:
        name, version = archive.name.removesuffix(".tar.gz").split("-")[:2]
        lines.append(f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{sha256_of(archive)}\n")
    return "".join(lines)


def _metadata(
    name: str, version: str, requires: Sequence[str], requires_python: str = "", licence: str = ""
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    if licence:
        lines.append(f"License-Expression: {licence}")
    return "\n".join(lines) + "\n"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _digest(text: str) -> str:
    digest = hashlib.sha256(_bytes(text)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
