"""``seeding`` in the spec: real programs, of real environments, are seeded without being changed."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from projrun.environment import seeding
from tests.cli.conftest import LOCKED, Workspace
from tests.wheels import lock_of, make_wheel

pytestmark = pytest.mark.slow

# Stand-ins that tell how they were called. The name of the module that holds the state is numpy's own.
NUMPY = {"numpy/random/__init__.py": "SEEDS = []\ndef seed(number):\n    SEEDS.append(number)\n"}
TORCH = {"torch/__init__.py": "SEEDS = []\ndef manual_seed(number):\n    SEEDS.append(number)\n"}

TELL = """\
import json, os, sys
import numpy.random, random, torch
import importlib; importlib.import_module("numpy")
print(json.dumps({
    "random": random.random(), "hash": hash("text"), "numpy": numpy.random.SEEDS, "torch": torch.SEEDS,
    "PYTHONPATH": os.environ.get("PYTHONPATH"), "path": [p for p in sys.path if "startup" in p],
    "environment": getattr(sys, "of_the_environment", None),
}))
"""
TELL_RANDOM = "import random; print(random.random())"


def first_random(seed: int) -> float:
    return random.Random(seed).random()


@pytest.fixture
def seeded(workspace: Workspace) -> Workspace:
    """A project that depends on both libraries and has what it asks for seeded."""
    archives = workspace.root.parent / "archives"
    wheels = [make_wheel(archives, "numpy", files=NUMPY), make_wheel(archives, "torch", files=TORCH)]
    workspace.repository.write("requirements.lock", lock_of(*wheels))
    workspace.repository.write("tell.py", TELL)
    return workspace


def spec(workspace: Workspace, command: str, *, seeding: str = "[python, numpy, torch]", more: str = "") -> None:
    workspace.spec(
        f"version: 1\nname: tiny\nseeding: {seeding}\nenvironment: {LOCKED[:-1]}{more}}}\n"
        f"entry_points:\n  main:\n    command: {json.dumps(command)}\n"
    )


def printed(workspace: Workspace, *words: str) -> Any:
    """What the program printed as JSON."""
    done = workspace.projrun("run", "-q", *words)
    assert done.code == 0, done.err
    return json.loads(done.out)


def flags(document: Any) -> list[str]:
    found = (*document["recipe"]["flags"], *document["outcome"]["flags"])
    return [flag["message"] for flag in found if flag["code"] == "not-seeded"]


def test_the_program_finds_everything_seeded_and_nothing_of_how(seeded: Workspace) -> None:
    spec(seeded, "python tell.py")
    told = printed(seeded, "--seed", "7")
    assert told["random"] == first_random(7) and told["numpy"] == told["torch"] == [7]
    assert told["PYTHONPATH"] is None and told["path"] == []
    assert printed(seeded, "--seed", "7")["hash"] == told["hash"]
    last = seeded.last()
    assert last["recipe"]["seeding"] == ["python", "numpy", "torch"] and flags(last) == []
    assert last["recipe"]["variables"]["base"]["PYTHONHASHSEED"] == "7"
    assert not Path(last["directory"], "startup").exists()
    assert "7 (seeds python, numpy, torch)" in seeded.projrun("show", "last").out
    difference = seeded.projrun("diff", "last~1", "last")
    assert "nothing differs" in difference.out


def test_nothing_is_seeded_unless_the_spec_asks_for_it(seeded: Workspace) -> None:
    spec(seeded, "python tell.py", seeding="[]")
    told = printed(seeded, "--seed", "7")
    assert told["random"] != first_random(7) and told["numpy"] == told["torch"] == []
    variables = seeded.last()["recipe"]["variables"]["base"]
    assert seeded.last()["recipe"]["seeding"] == [] and not {"PYTHONPATH", "PYTHONHASHSEED"} & set(variables)


def test_an_entry_point_s_own_list_goes_before_and_names_what_is_seeded(seeded: Workspace) -> None:
    spec(seeded, "python tell.py")
    text = (seeded.root / "ProjectSpec.yaml").read_text()
    seeded.spec(f"{text}    seeding: [numpy]\n  other: python tell.py\n")
    told = printed(seeded, "-e", "main", "--seed", "7")
    assert told["numpy"] == [7] and told["torch"] == [] and told["random"] != first_random(7)
    assert printed(seeded, "-e", "other", "--seed", "7")["torch"] == [7]


def test_the_spec_s_own_variables_stay(seeded: Workspace) -> None:
    (seeded.root / "more").mkdir()
    seeded.repository.write("more/extra.py", "")
    spec(seeded, "python tell.py", more=", variables: {PYTHONPATH: more, PYTHONHASHSEED: '1'}")
    seeded.repository.write("tell.py", "import extra\n" + TELL)
    told = printed(seeded, "--seed", "7")
    assert told["PYTHONPATH"] == "more" and told["random"] == first_random(7)
    assert told["hash"] == printed(seeded, "--seed", "8")["hash"]


def test_a_sitecustomize_of_the_environment_runs_too(seeded: Workspace) -> None:
    archives = seeded.root.parent / "archives"
    real = "import sys\nsys.of_the_environment = (__name__, __spec__.name)\n"
    wheel = make_wheel(archives, "custom", files={"sitecustomize.py": real})
    text = (seeded.root / "requirements.lock").read_text()
    seeded.repository.write("requirements.lock", text + lock_of(wheel))
    spec(seeded, "python tell.py")
    told = printed(seeded, "--seed", "7")
    assert told["environment"] == ["sitecustomize", "sitecustomize"] and told["random"] == first_random(7)


FORKS = """\
import json, multiprocessing, os, random, subprocess, sys
def draw(_=None):
    return random.random()
if __name__ == "__main__":
    answers = {"hash": hash("a")}
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            answers[method] = pool.map(draw, [0])[0]
    say = "import random, sys; print(random.random(), 'sitecustomize' in sys.modules, hash('a'))"
    answers["child"] = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True).stdout.split()
    print(json.dumps(answers))
"""


def test_what_the_program_starts_has_the_hash_seed_and_no_more(seeded: Workspace) -> None:
    """Of a fork, Python itself gives ``random`` another seed, as of each fork it makes."""
    seeded.repository.write("forks.py", FORKS)
    spec(seeded, "python forks.py")
    told = printed(seeded, "--seed", "7")
    assert first_random(7) not in (told["fork"], told["spawn"], told["forkserver"], float(told["child"][0]))
    assert told["child"][1] == "False"
    assert told["child"][2] == str(told["hash"])


def test_a_program_that_cannot_be_seeded_has_nothing_to_pass_on(seeded: Workspace) -> None:
    seeded.repository.write("forks.py", FORKS)
    spec(seeded, "python -I forks.py")
    assert printed(seeded, "--seed", "7")["child"][1] == "False"


@pytest.mark.parametrize(
    ("command", "shell", "code"),
    [
        (f"python {{}} -c {TELL_RANDOM!r}".format("-I"), False, "nothing is seeded: python -I"),
        (f"python -uE -c {TELL_RANDOM!r}", False, "nothing is seeded: python -E"),
        (f"env -i python3 -S -c {TELL_RANDOM!r}", False, "nothing is known to be seeded"),
        ("echo 1.0", False, "nothing is known to be seeded"),
        (f"true; python -c {TELL_RANDOM!r}", True, ""),
        (f"python -W ignore -X dev -c {TELL_RANDOM!r} -I", False, ""),
    ],
)
def test_a_program_that_cannot_be_seeded_is_flagged(
    seeded: Workspace, command: str, shell: bool, code: str
) -> None:
    spec(seeded, command)
    if shell:
        text = (seeded.root / "ProjectSpec.yaml").read_text()
        seeded.spec(f"{text}    shell: true\n")
    document = seeded.run("--seed", "7")
    log = seeded.projrun("logs", "last").out
    assert (repr(first_random(7)) in log) == (not code)
    told = flags(document)
    assert len(told) == bool(code) and all(message.startswith(code) for message in told)


def test_a_program_that_does_not_start_is_not_said_to_be_unseeded(seeded: Workspace) -> None:
    spec(seeded, "no-such-program")
    assert flags(seeded.run(code=127)) == []


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["python", "-I", "x.py"], "-I"),
        (["/usr/bin/python3.11", "-uS"], "-S"),
        (["pypy3", "-E"], "-E"),
        (["python3.14t", "-W", "-I", "-I"], "-I"),
        (["python", "-Wignore", "x.py", "-I"], None),
        (["python", "-c", "print()", "-I"], None),
        (["python", "-mI"], None),
        (["python", "--version", "-I"], None),
        (["python", "-", "-I"], None),
        (["python", "-X"], None),
        (["pythonic", "-I"], None),
        ([], None),
    ],
)
def test_options_that_isolate_are_read_as_python_reads_them(words: list[str], option: str | None) -> None:
    assert seeding.isolating_option(words) == option


def test_the_start_up_file_takes_only_what_python_has_loaded(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / seeding.FILE).write_bytes(seeding.start_up(7, seeding.LIBRARIES))
    list_modules = "import sys; print(*sorted(sys.modules))"
    plain, hooked = (
        set(
            subprocess.run(
                [sys.executable, "-c", list_modules], env=env, capture_output=True, text=True, check=True
            ).stdout.split()
        )
        for env in ({}, {"PYTHONPATH": str(tmp_path)})
    )
    assert hooked - plain <= {"sitecustomize", "__future__"}
