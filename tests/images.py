"""Images made of this machine's own files, since no registry can be asked: real ones, loaded by ``docker load``.

    slim(engine)      a shell, a few programs of coreutils, their libraries: a few MB. What most tests want.
    debian(engine)    slim with dpkg-query and a database of the packages that its files are of. Skips elsewhere.
    python(engine)    slim with the Python that runs the tests, and pip; named python:X.Y.Z-slim too.
    indexed(engine, tag)   python, whose pip finds the package index that this machine's pip finds
    derived(engine, base, tag, files=..., config=...)   any of them with files, an entrypoint, a user, variables

Each gives the image's id, does its work once per engine, and takes ``tags`` to name it by. What is in an image
does not change from call to call. The layers are kept in .pytest_cache/images, by what went in.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from projrun.core.values import Struct
from tests.engine import Engine

SLIM = "projrun-test/slim:1"
DEBIAN = "projrun-test/debian:1"
PYTHON = "projrun-test/python:1"

_CACHE = Path(__file__).resolve().parent.parent / ".pytest_cache" / "images"
_PROGRAMS = (
    *("sh", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env"),
    *("false", "find", "grep", "head", "hostname", "id", "kill", "ln", "ls", "md5sum", "mkdir", "mkfifo", "mv"),
    *("nproc", "od", "printf", "pwd", "readlink", "realpath", "rm", "rmdir", "sed", "seq", "sha256sum", "sleep"),
    *("sort", "stat", "tail", "tee", "test", "timeout", "touch", "tr", "true", "uname", "wc", "whoami", "yes"),
)
# What programs that wheels bring may look for, besides what is linked to: manylinux lets them.
_LIBRARIES = ("libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1")
_NOT_WANTED = re.compile(
    r"(site|dist)-packages|tests?|idlelib|lib2to3|turtledemo|tkinter|ensurepip|config-.*"
    r"|_tkinter\..*|_test.*\.so|EXTERNALLY-MANAGED|.*\.opt-[12]\.pyc|.*\.(a|exe)"
)
# As it was before the tests' own defaults.
_CALLER = dict(os.environ)
_EPOCH = 315532800  # 1980


class Entry(Struct, frozen=True):
    """One thing in a layer: a copy of ``source``, ``content``, a link, or (nothing of these) a directory."""

    source: Path | None = None
    content: bytes | None = None
    link: str | None = None
    mode: int = 0o755


Entries = dict[str, Entry]


def slim(engine: Engine, *tags: str) -> str:
    """A shell and a few programs; see the module."""
    return _load(engine, (SLIM, *tags), [_layer("slim", _slim())], _config({"Cmd": ["/bin/sh"]}))


def debian(engine: Engine, *tags: str) -> str:
    """``slim`` with dpkg-query and its database, which says what is true of the files in there."""
    if not shutil.which("dpkg-query"):
        pytest.skip("dpkg-query is not here: this machine is no Debian")
    layers = [_layer("slim", _slim()), _layer("debian", _dpkg(_slim()))]
    return _load(engine, (DEBIAN, *tags), layers, _config({"Cmd": ["/bin/sh"]}))


def python(engine: Engine, *tags: str) -> str:
    """``slim`` with the Python of the tests as ``python`` and ``python3``, and pip."""
    version = platform.python_version()
    names = (PYTHON, f"python:{version}-slim", *tags)
    layers = [_layer("slim", _slim()), _layer("python", _python())]
    return _load(engine, names, layers, _config({"Cmd": ["python3"], "Env": [f"PYTHON_VERSION={version}"]}))


def indexed(engine: Engine, tag: str) -> str:
    """``python`` with the certificates and the index of this machine's pip: for builds in the host's network."""
    pip = (sys.executable, "-m", "pip", "config", "list")
    listed = subprocess.run(pip, env=_CALLER, check=True, capture_output=True, text=True).stdout
    said = dict(line.split("=", 1) for line in listed.splitlines())
    settings = {name.split(".")[-1]: str(ast.literal_eval(value)) for name, value in said.items()}
    if index := _CALLER.get("UV_DEFAULT_INDEX") or _CALLER.get("UV_INDEX_URL"):
        settings.setdefault("index-url", index)
    if certificates := _CALLER.get("SSL_CERT_FILE"):
        settings.setdefault("cert", certificates)
    kept = {name: settings[name] for name in ("index-url", "trusted-host", "proxy", "cert") if name in settings}
    files: dict[str, str | bytes] = {
        "/etc/pip.conf": "[global]\n" + "".join(f"{n} = {v}\n" for n, v in kept.items())
    }
    if "cert" in kept:
        files[kept["cert"]] = Path(kept["cert"]).read_bytes()
    python(engine)
    return derived(engine, PYTHON, tag, files)


def derived(
    engine: Engine,
    base: str,
    tag: str,
    files: Mapping[str, str | bytes | tuple[str | bytes, int]] | None = None,
    config: Mapping[str, Any] | None = None,
) -> str:
    """An image on top of ``slim``, ``debian`` or ``python`` (their name), built by nobody.

    ``files``: path to content, or content and mode (0755 otherwise). ``config``: what the image format calls so:
    ``{"Entrypoint": [...], "User": "12:34", "Env": ["A=b"], "WorkingDir": "/", "Labels": {...}}``.
    """
    entries: Entries = {}
    for path, said in (files or {}).items():
        content, mode = said if isinstance(said, tuple) else (said, 0o755)
        data = content.encode() if isinstance(content, str) else content
        entries |= _parents(path) | {path.strip("/"): Entry(content=data, mode=mode)}
    layers, inherited = _kept(base)
    if entries:
        target = _CACHE / f"derived-{os.getpid()}.tar"
        _write_layer(target, entries)
        layers = [*layers, target]
    try:
        return _load(engine, (tag,), layers, _config({**inherited, **(config or {})}))
    finally:
        if entries:
            layers[-1].unlink()


def _kept(base: str) -> tuple[list[Path], dict[str, Any]]:
    """The layers and the configuration of one of our own images."""
    layers = [_layer("slim", _slim())]
    if base == DEBIAN:
        layers.append(_layer("debian", _dpkg(_slim())))
    if base != PYTHON:
        return layers, {"Cmd": ["/bin/sh"]}
    return [*layers, _layer("python", _python())], {"Cmd": ["python3"]}


# What goes in.


def _slim() -> Entries:
    programs = [Path(found) for name in _PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))]
    assert {"sh", "cat", "env"} <= {program.name for program in programs}
    entries: Entries = {
        name: Entry(link=f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64") if Path("/", name).is_symlink()
    }
    entries |= {name: Entry() for name in ("usr", "usr/bin", "usr/sbin", "usr/lib", "etc", "var", "proc", "sys")}
    entries |= {"dev": Entry(), "home": Entry(), "root": Entry(mode=0o700), "tmp": Entry(mode=0o1777)}
    if (version := Path("/usr/lib/os-release")).is_file():
        entries |= {"usr/lib/os-release": _copy(version), "etc/os-release": Entry(link="../usr/lib/os-release")}
    people = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    entries["etc/passwd"] = Entry(content=people, mode=0o644)
    entries["etc/group"] = Entry(content=b"root:x:0:\nnogroup:x:65534:\n", mode=0o644)
    entries["etc/nsswitch.conf"] = Entry(content=b"passwd: files\ngroup: files\nhosts: files dns\n", mode=0o644)
    return _with_files(entries, [*programs, *_linked_to(programs)])


def _dpkg(inside: Entries) -> Entries:
    """dpkg-query with the records of the packages that own the files ``inside``."""
    program = Path("/usr/bin/dpkg-query")
    entries = _with_files({}, [program, *_linked_to([program])])
    files = {f"/{path}" for path, entry in {**inside, **entries}.items() if entry.source}
    files |= {path.removeprefix("/usr") for path in files}
    database = Path("/var/lib/dpkg")
    lists = {
        file for file in (database / "info").glob("*.list") if not files.isdisjoint(file.read_text().split("\n"))
    }
    names = {file.stem.partition(":")[0] for file in lists}
    records = (database / "status").read_text().split("\n\n")
    kept = [one for one in records if one.partition("\n")[0].removeprefix("Package: ") in names]
    for path in (f"{database}/info/format", f"{database}/updates/x", f"{database}/triggers/x"):
        entries |= _parents(path)
    entries["var/lib/dpkg/status"] = Entry(content="\n\n".join([*kept, ""]).encode(), mode=0o644)
    entries["var/lib/dpkg/info/format"] = Entry(content=b"1\n", mode=0o644)
    return _with_files(entries, sorted(lists))


def _python() -> Entries:
    """The base interpreter where it lies here, its standard library without what no test runs, and pip."""
    ask = "import json, site, sys, sysconfig; print(json.dumps([sys.executable, sysconfig.get_path('stdlib'), "
    ask += "sysconfig.get_path('platstdlib'), site.getsitepackages()[0]]))"
    base = getattr(sys, "_base_executable", sys.executable)
    said = subprocess.run([base, "-I", "-c", ask], check=True, capture_output=True, text=True).stdout
    executable, library, platform_library, packages = json.loads(said)
    program = Path(executable).resolve()
    folders = sorted({Path(library), Path(platform_library)})
    files = [program, *(file for folder in folders for file in _library(folder))]
    found = importlib.util.find_spec("pip")
    assert found
    assert found.origin
    pip = Path(found.origin).parent
    entries: Entries = {f"usr/local/bin/{name}": Entry(link=str(program)) for name in ("python", "python3")}
    script = f"#!{program}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
    for name in ("pip", "pip3"):
        entries |= _parents(f"/usr/local/bin/{name}")
        entries[f"usr/local/bin/{name}"] = Entry(content=script.encode())
    for folder in (pip, *pip.parent.glob("pip-*.dist-info")):
        entries |= _moved(_library(folder), folder.parent, Path(packages))
    compiled = [file for file in files if ".so" in file.suffixes]
    return _with_files(entries, [*files, *_linked_to([program, *compiled]), *_beside_libc()])


def _library(folder: Path) -> Iterator[Path]:
    """The files of a package or library, and what Python compiled of them: a container would do it each time."""
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not _NOT_WANTED.fullmatch(name))
        yield from (Path(place, name) for name in sorted(files) if not _NOT_WANTED.fullmatch(name))


def _moved(files: Iterable[Path], old: Path, new: Path) -> Entries:
    entries: Entries = {}
    for file in files:
        path = str(new / file.relative_to(old))
        entries |= _parents(path) | {path.strip("/"): _copy(file)}
    return entries


def _linked_to(programs: Sequence[Path]) -> list[Path]:
    """The shared libraries that these need, and the loader: by ldd(1)."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    return sorted({Path(found) for found in re.findall(r"(?:=> |^\t)(/\S+) \(0x", said, re.MULTILINE)})


def _beside_libc() -> list[Path]:
    libc = next(path for path in _linked_to([Path(shutil.which("env") or "")]) if path.name == "libc.so.6")
    return [file for name in _LIBRARIES if (file := libc.with_name(name)).exists()]


def _with_files(entries: Entries, files: Iterable[Path]) -> Entries:
    """With these files at the places where they lie here, links in their folders' paths resolved."""
    entries = dict(entries)
    for file in files:
        place = str(file.parent.resolve() / file.name)
        entries |= {path: entry for path, entry in _parents(place).items() if path not in entries}
        entries[place.strip("/")] = _copy(file)
    return entries


def _parents(path: str) -> Entries:
    return {str(parent).strip("/"): Entry() for parent in Path(path).parents if str(parent) not in ("/", ".")}


def _copy(file: Path) -> Entry:
    return Entry(source=file.resolve(), mode=0o755 if os.access(file, os.X_OK) else 0o644)


# Layers and images.


def _layer(name: str, entries: Entries) -> Path:
    """The layer's file, made when what goes in has changed since the last time."""
    series = f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"
    target = _CACHE / f"{series}-{_fingerprint(entries)}.tar"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with _turn():
        if not target.exists():
            for old in _CACHE.glob(f"{series}-*"):
                old.unlink()
            _write_layer(target, entries)
    return target


def _fingerprint(entries: Entries) -> str:
    digest = hashlib.sha256()
    for path, entry in sorted(entries.items()):
        state = entry.source.stat() if entry.source else None
        what = (state.st_size, state.st_mtime_ns) if state else (entry.content, entry.link)
        digest.update(repr((path, entry.mode, what)).encode())
    return digest.hexdigest()[:16]


def _write_layer(target: Path, entries: Entries) -> None:
    aside = target.with_suffix(".new")
    with tarfile.open(aside, "w") as archive:
        for path, entry in sorted(entries.items()):
            info = tarfile.TarInfo(path)
            info.mode, info.mtime = entry.mode, _EPOCH
            if entry.source:
                info.size = entry.source.stat().st_size
                info.mtime = int(entry.source.stat().st_mtime)  # Python's compiled files name it
                with entry.source.open("rb") as file:
                    archive.addfile(info, file)
            elif entry.content is not None:
                info.size = len(entry.content)
                archive.addfile(info, io.BytesIO(entry.content))
            else:
                info.type, info.linkname = (tarfile.SYMTYPE, entry.link) if entry.link else (tarfile.DIRTYPE, "")
                archive.addfile(info)
    aside.rename(target)


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The container's configuration: the OCI image specification's words, which are Docker's."""
    variables = list(config.get("Env", ()))
    named = {variable.partition("=")[0] for variable in variables}
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    usual = [one for one in (path, "LANG=C.UTF-8") if one.partition("=")[0] not in named]
    return {**config, "Env": [*usual, *variables]}


def _load(engine: Engine, tags: Sequence[str], layers: Sequence[Path], config: Mapping[str, Any]) -> str:
    """Gives the image to the engine in the format of ``docker save``, unless it has it. Returns its id."""
    digests = [f"sha256:{_sha256(layer)}" for layer in layers]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    described = {
        "architecture": machine,
        "os": "linux",
        "created": "1980-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [{"created": "1980-01-01T00:00:00Z", "created_by": "projrun's tests"} for _ in digests],
    }
    text = json.dumps(described, sort_keys=True).encode()
    identity = f"sha256:{hashlib.sha256(text).hexdigest()}"
    with _turn():
        if identity not in {image["Id"] for image in engine.api.images(all=True)}:
            engine.api.load_image(_archive(text, layers), quiet=True)
        for tag in tags:
            name, _, version = tag.rpartition(":")
            engine.api.tag(identity, name, version)
    return identity


def _archive(config: bytes, layers: Sequence[Path]) -> Iterator[bytes]:
    """The archive in pieces, as it is sent."""
    manifest = [{"Config": "config.json", "RepoTags": [], "Layers": [f"{at}.tar" for at in range(len(layers))]}]
    yield _member("config.json", len(config)) + _padded(config)
    text = json.dumps(manifest).encode()
    yield _member("manifest.json", len(text)) + _padded(text)
    for at, layer in enumerate(layers):
        yield _member(f"{at}.tar", layer.stat().st_size)  # a tar file fills its last block
        with layer.open("rb") as stream:
            while piece := stream.read(1 << 20):
                yield piece
    yield bytes(2 * tarfile.BLOCKSIZE)


def _member(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """One worker at a time: none makes what another is making."""
    with (_CACHE / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
