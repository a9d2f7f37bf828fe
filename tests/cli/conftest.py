"""A project as a user has it: a git repository with a remote, a package index, and the projrun command."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from projrun.core.values import Struct
from projrun.environment import built, manifest
from tests.index_server import Index, serving
from tests.repositories import Repository
from tests.wheels import lock_of, make_wheel

THIS_PYTHON = ".".join(map(str, sys.version_info[:3]))

LOCKED = f'{{python: "{THIS_PYTHON}", lock: requirements.lock}}'

SPEC = f"""\
version: 1
name: tiny
environment: {LOCKED}
data:
  table: {{path: data/table.csv, sha256: DIGEST}}
entry_points:
  main:
    parameters:
      depth: {{type: int, default: 3, minimum: 1, maximum: 30}}
      rate: {{type: float, default: 0.5}}
      words: {{type: list, items: str, default: [a, b c]}}
      loud: {{type: bool, default: false, flag: --loud}}
      table: {{type: path, default: "data:table"}}
    command: python train.py --depth {{depth}} --rate {{rate}} {{loud}} --table {{table}} {{words}}
    outputs: [results/model.txt]
    metrics: [results/metrics.json]
  free:
    command: python free.py
"""

TRAIN = """\
import json, os, pathlib, sys
import tinydep
print("training with", tinydep.VERSION, flush=True)
print("a warning", file=sys.stderr, flush=True)
pathlib.Path("results").mkdir(exist_ok=True)
pathlib.Path("results/model.txt").write_text(" ".join(sys.argv[1:]))
pathlib.Path("results/metrics.json").write_text(json.dumps({"rmse": 0.25, "nested": {"n": 3}}))
pathlib.Path(os.environ["PROJRUN_RUN_DIR"], "seen.json").write_text(
    json.dumps({"argv": sys.argv[1:], "variables": dict(os.environ)})
)
"""

TABLE = "a,b\n1,2\n"
NOTHING = "entry_points:\n  main:\n    command: python -c pass\n"
SEARCHED = f"{sys.base_prefix}/bin:/usr/bin:/bin"


class Done(Struct, frozen=True):
    """A finished projrun process."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class Workspace(Struct, frozen=True):
    """The project, and projrun as a command to type in it."""

    repository: Repository
    index: Index
    home: Path

    @property
    def root(self) -> Path:
        return self.repository.path

    @property
    def store(self) -> Path:
        return self.home / "store"

    def projrun(
        self, *words: str | bytes, cwd: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> Done:
        """Types a command in the project and waits for its end."""
        done = subprocess.run(
            [sys.executable, "-m", "projrun", *words],
            cwd=cwd or self.root,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Types a command in the project and gives the running process."""
        return subprocess.Popen(
            [sys.executable, "-m", "projrun", *words],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str, code: int = 0, cwd: Path | None = None) -> Any:
        """``projrun run --json``: the document. Fails when the exit code is another one."""
        done = self.projrun("run", "--json", *words, cwd=cwd)
        assert done.code == code, done.err
        return done.data

    def last(self) -> Any:
        """``projrun show last --json``."""
        return self.projrun("show", "last", "--json").data

    def spec(self, text: str) -> None:
        """Writes ProjectSpec.yaml."""
        self.repository.write("ProjectSpec.yaml", text)

    def entry_point(self, command: str, *, environment: str = LOCKED, more: str = "") -> None:
        """A specification with one entry point that runs ``command`` as it is written in YAML."""
        head = f"version: 1\nname: tiny\nenvironment: {environment}\n"
        self.spec(f"{head}entry_points:\n  main:\n    command: {command}\n{more}")

    def publish(self) -> str:
        """Commits and pushes everything; returns the commit."""
        commit = self.repository.commit()
        self.repository.git("push", "-q")
        return commit


@pytest.fixture(scope="session")
def built_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HOME whose caches have the environment of the project: each test that uses it gets a copy of its own."""
    place = tmp_path_factory.mktemp("built")
    wheel = make_wheel(place / "archives", "tinydep", "1.5")
    project = Repository.create(place / "project")
    project.write("requirements.lock", lock_of(wheel))
    project.write("ProjectSpec.yaml", f"version: 1\nname: tiny\nenvironment: {LOCKED}\n{NOTHING}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PROJRUN_"))}
    home = place / "home"
    with serving(place / "archives") as index:
        own = {
            "HOME": str(home),
            "PATH": SEARCHED,
            "PROJRUN_CACHE": str(home / "cache"),
            "UV_CACHE_DIR": str(home / "uv-cache"),
            "UV_DEFAULT_INDEX": index.url,
        }
        words = [sys.executable, "-m", "projrun", "env", "build", str(project.path)]
        subprocess.run(words, env={**kept, **own}, check=True, capture_output=True)
    # Of uv's own only what it found out about the interpreter: packages are asked for as if for the first time.
    for folder in (home / "uv-cache").glob("*"):
        if folder.is_dir() and not folder.name.startswith("interpreter-"):
            shutil.rmtree(folder)
    return home


def _at_home(directory: Path) -> None:
    """Makes a copy of an environment one that was built where it is."""
    if there := built.told(directory):
        paths = manifest.read_paths(directory, there.files)
        manifest.write_numbers(directory, manifest.numbers(directory, paths))
        built.write_marker(directory, there)


@pytest.fixture
def nothing_built() -> None:
    """For tests of how an environment comes to be: the workspace's caches are empty."""


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project, its remote and its archives, all of which each workspace is a copy of."""
    place = tmp_path_factory.mktemp("published")
    repository = Repository.create(place / "project")
    wheel = make_wheel(place / "archives", "tinydep", "1.5")
    repository.write("requirements.lock", lock_of(wheel))
    repository.write("ProjectSpec.yaml", SPEC.replace("DIGEST", hashlib.sha256(TABLE.encode()).hexdigest()))
    repository.write("train.py", TRAIN)
    repository.write("free.py", "print('free')\n")
    repository.write("data/table.csv", TABLE)
    repository.write(".gitignore", "results/\n.env\n")
    repository.commit()
    repository.push_to(place / "remote.git")
    for hook in place.glob("**/hooks/*.sample"):
        hook.unlink()
    return place


@pytest.fixture
def workspace(
    tmp_path: Path,
    published: Path,
    hostile_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Workspace]:
    """A clean, pushed project that depends on one hand-made wheel. Its environment was built before, but for
    tests that use the fixture ``nothing_built``.
    """
    shutil.copytree(published, tmp_path, symlinks=True, dirs_exist_ok=True)
    repository = Repository(tmp_path / "project")
    repository.git("remote", "set-url", "origin", f"file://{tmp_path}/remote.git")
    repository.git("update-index", "-q", "--refresh")  # the copies are other files to git
    if "nothing_built" not in request.fixturenames:
        shutil.copytree(
            request.getfixturevalue("built_before"), hostile_environment, symlinks=True, dirs_exist_ok=True
        )
        for directory in (hostile_environment / "cache" / "environments").iterdir():
            _at_home(directory)
    monkeypatch.setenv("PATH", SEARCHED)
    with serving(tmp_path / "archives") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        yield Workspace(repository, index, hostile_environment)
