"""The peers and projrun, each installed into an environment of its own, outside the tree."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.timing import LeftOut, run, tell, variables

ROOT = Path(__file__).resolve().parents[2]
# The whole requirement table. The first of each is the program; what it needs besides comes with it.
PEERS: Mapping[str, tuple[str, ...]] = {
    "datalad": ("datalad==1.7.1", "git-annex==10.20261026"),
    "dvc": ("dvc==3.67.1",),
    "guild": ("guildai==0.9.0", "setuptools==80.9.0"),
    "mlflow": ("mlflow==3.17.2", "virtualenv==21.15.7"),
    "sacred": ("sacred==0.8.7", "setuptools==80.9.0"),
}
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "projrun", "schemas")
_EXTRAS = "pandas"  # for data frames, as MLflow has them
_MARKER = "benchmark.json"


@dataclass(frozen=True)
class Installed:
    """What could be installed: a folder of programs for each name, the versions, and why others are missing."""

    programs: Mapping[str, Path]
    versions: Mapping[str, str]
    missing: Mapping[str, str]

    def program(self, name: str, program: str) -> str:
        """A program of a peer. Raises LeftOut when the peer is not here."""
        if name not in self.programs:
            raise LeftOut(self.missing.get(name, f"{name} was not asked for"))
        return str(self.programs[name] / program)

    @property
    def uv(self) -> str:
        """The uv that projrun builds with: it came along with it."""
        return self.program("projrun", "uv")


def cache() -> Path:
    """Where the environments are kept from one time to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "projrun-benchmarks"


def install(directory: Path, names: Sequence[str]) -> Installed:
    """projrun and the named peers, each as it is in the table; one that fails is told and left out."""
    programs: dict[str, Path] = {}
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in ("projrun", *names):
        try:
            programs[name] = _projrun(directory) if name == "projrun" else _peer(directory, name)
        except LeftOut as error:
            if name == "projrun":
                raise
            missing[name] = str(error)
            tell(f"{name} is left out: {error}")
            continue
        versions.update(json.loads((programs[name].parent / _MARKER).read_text()))
    return Installed(programs, versions, missing)


def packages(peer: str) -> list[str]:
    """The names of what is asked for of a peer, whose versions are told."""
    return [word.partition("==")[0] for word in PEERS[peer]]


def digest_of_tree() -> str:
    """What the wheel depends on, as a number: a change of any file of it makes a new environment."""
    whole = hashlib.sha256(_EXTRAS.encode())
    for name in _SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                whole.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return whole.hexdigest()[:16]


def _peer(directory: Path, name: str) -> Path:
    words = PEERS[name]
    own = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
    return _environment(directory, name, own, lambda _: list(words), packages(name))


def _projrun(directory: Path) -> Path:
    """From a wheel, as from an index: an editable install is slower to import, and nobody's."""

    def wheel(folder: Path) -> list[str]:
        run([_uv(), "build", "-q", "--wheel", "--out-dir", folder, ROOT], ROOT, os.environ)
        return [f"{path}[{_EXTRAS}]" for path in folder.glob("*.whl")]

    return _environment(directory, "projrun", digest_of_tree(), wheel, ["projrun", "uv"])


def _environment(
    directory: Path, name: str, digest: str, requirements: Callable[[Path], list[str]], told: list[str]
) -> Path:
    """The programs of the environment of that digest, which is made when it is not there."""
    place = directory / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    if (place / _MARKER).exists():
        return place / "bin"
    for older in directory.glob(f"{name}-*"):
        shutil.rmtree(older)
    tell(f"installing {name}")
    run([_uv(), "venv", "-q", "--python", sys.executable, place], ROOT, os.environ)
    python = place / "bin" / "python"
    words = [_uv(), "pip", "install", "-q", "--compile-bytecode", "--python", str(python)]
    run([*words, *requirements(place / "wheel")], ROOT, os.environ)
    listed = run([_uv(), "pip", "list", "-q", "--format", "json", "--python", python], ROOT, os.environ).output
    found = {one["name"]: one["version"] for one in json.loads(listed)}
    (place / _MARKER).write_text(json.dumps({one: found[one] for one in told}))
    return place / "bin"


def _uv() -> str:
    """The uv that came with the tools of this checkout, else the system's."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise LeftOut("there is no uv; python3 dev.py bench brings it")
    return found


@dataclass(frozen=True)
class Ground:
    """What a part has to measure with: an empty directory, the programs, and how many rounds."""

    scratch: Path
    installed: Installed
    rounds: int

    def variables(self, *names: str) -> dict[str, str]:
        """The variables of a command, with the programs of these peers before the system's."""
        there = [self.installed.programs[name] for name in names if name in self.installed.programs]
        return variables(self.scratch / "home", there)

    def projrun(self) -> str:
        """The ``projrun`` command, as it is installed."""
        return self.installed.program("projrun", "projrun")
