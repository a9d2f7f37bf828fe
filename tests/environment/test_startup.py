"""The start-up file of a seeded run, in real Pythons."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from projrun.environment import seeding

SEEDED = (
    "SEEDS = []\ndef seed(number):\n    SEEDS.append(number)\ndef manual_seed(number):\n    SEEDS.append(number)\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run that is seeded with 7."""
    folder = tmp_path / "startup"
    folder.mkdir()
    (folder / seeding.FILE).write_bytes(seeding.start_up(7, seeding.LIBRARIES))
    return folder


def told(folder: Path, program: str, *places: Path, code: int = 0) -> Any:
    """What a program prints as JSON, with more ``places`` on PYTHONPATH."""
    path = os.pathsep.join(map(str, (folder, *places)))
    done = subprocess.run(
        [sys.executable, "-c", f"import json\n{program}"],
        env={"PYTHONPATH": path},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_an_import_that_fails_is_seeded_when_it_works(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import json\nif not hasattr(json, 'ready'): raise ImportError\n" + SEEDED)
    program = """
try:
    import torch
except ImportError:
    json.ready = True
import torch
from torch import SEEDS
print(json.dumps(SEEDS))"""
    assert told(folder, program, tmp_path) == [7]
    assert seeding.seeded(folder) == {"started", "torch"}


def test_a_library_that_is_not_there_is_missed_as_ever(folder: Path) -> None:
    program = """
try:
    import torch
except ModuleNotFoundError as error:
    print(json.dumps(error.name))"""
    assert told(folder, program) == "torch"


def test_a_library_in_an_archive_is_seeded(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "libraries.zip", "w") as archive:
        archive.writestr("numpy/__init__.py", "from numpy import random\n")
        archive.writestr("numpy/random.py", SEEDED)
    assert told(folder, "import numpy; print(json.dumps(numpy.random.SEEDS))", tmp_path / "libraries.zip") == [7]


def test_the_real_numpy_is_seeded_before_the_program_draws(folder: Path) -> None:
    """It is in requirements-dev.lock. Its own generators are seeded by nobody but the program, as documented."""
    whole = "import numpy; print(json.dumps([numpy.random.rand(), numpy.random.randint(10**6)]))"
    part = "from numpy.random import rand, randint; print(json.dumps([rand(), randint(10**6)]))"
    itself = (
        "import numpy; numpy.random.seed(7); print(json.dumps([numpy.random.rand(), numpy.random.randint(10**6)]))"
    )
    packages = next(Path(place) for place in sys.path if (Path(place) / "numpy" / "random").is_dir())
    expected = told(folder.parent / "none", itself, packages)
    assert told(folder, whole, packages) == told(folder, part, packages) == expected
    assert seeding.seeded(folder) == {"started", "numpy", "python"}  # it imports Python's own itself
    own = "import numpy; print(json.dumps(numpy.random.default_rng().random()))"
    assert told(folder, own, packages) != told(folder, own, packages)


def test_a_library_is_seeded_once_and_keeps_its_loader(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(SEEDED)
    program = """
import importlib, sys, torch
name, kept = type(torch.__loader__).__name__, "exec_module" in vars(torch.__spec__.loader)
importlib.reload(torch)
import random, numpy
print(json.dumps([name, kept, torch.SEEDS, random.random(), type(sys.meta_path[0]).__name__]))"""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("from . import random")
    (tmp_path / "numpy" / "random.py").write_text(SEEDED)
    loader, kept, seeds, drawn, first = told(folder, program, tmp_path)
    assert (loader, kept, seeds, drawn) == ("SourceFileLoader", False, [], random.Random(7).random())
    assert first != "_Finder", "with everything seeded, imports are as they were"


def test_a_real_sitecustomize_that_fails_is_told_by_python_and_the_program_runs(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "sitecustomize.py").write_text("raise ValueError('of its own')\n")
    done = subprocess.run(
        [sys.executable, "-c", "import random; print(random.random())"],
        env={"PYTHONPATH": f"{folder}{os.pathsep}{tmp_path / 'real'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == repr(random.Random(7).random())
    assert "Error in sitecustomize" in done.stderr and "of its own" in done.stderr


def test_a_folder_that_cannot_be_written_to_hinders_nothing(folder: Path) -> None:
    (folder / "started").mkdir()
    (folder / "python").mkdir()
    assert told(folder, "import random; print(random.random())") == random.Random(7).random()


def test_a_folder_that_went_away_has_seeded_nothing(tmp_path: Path) -> None:
    assert seeding.seeded(tmp_path / "none") == frozenset()
