"""A run's frozen values, made up, for tests of documents and of the store."""

from __future__ import annotations

from pathlib import Path

from projrun.core.engine.model import Image
from projrun.core.errors import DataError
from projrun.core.flags import Flag
from projrun.core.labels import Labels
from projrun.core.values import replace
from projrun.data.model import ChangedInput, Fingerprint, Metric
from projrun.environment.model import (
    Base,
    BuiltImage,
    Container,
    Distribution,
    Environment,
    EnvironmentPlan,
    ImagePlan,
    Interpreter,
    Mount,
    Package,
)
from projrun.execution.model import Outcome, Request, Usage
from projrun.recipe.host import host
from projrun.recipe.model import KeptFile, OutcomeParts, Phase, RecipeParts, StartParts
from projrun.source.model import Change, Source, Submodule
from projrun.spec.model import Command, DockerMount, DockerSpec, EntryPoint, EnvironmentSpec, ProjectSpec

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
COMMIT = "a" * 40
CREATED = 1_700_000_000.25
RUN = "abcdefghjkmn"
ROOT = Path("/work/bikes")
LABELS = Labels("first try", {"team": "red"}, "a note")

DECLARED = EnvironmentSpec(
    python="3.11",
    lock="requirements.lock",
    variables={"OMP_NUM_THREADS": "1"},
    inherit=("CUDA_VISIBLE_DEVICES", "HTTPS_PROXY"),
    secrets=("API_TOKEN",),
)
SPEC = ProjectSpec(
    root=ROOT,
    text="version: 1\nname: bikes\n",
    name="bikes",
    environments={"default": DECLARED},
    data={},
    entry_points={},
)
ENTRY_POINT = EntryPoint(
    "train",
    Command(("python", "train.py", "{depth}"), "python train.py {depth}"),
    outputs=("results/model.pkl",),
    metrics=("results/metrics.json",),
    timeout=60.0,
)
REQUEST = Request(
    argv=("python", "train.py", "3", "", "$(touch x)", "two\nlines"),
    cwd=str(ROOT),
    variables={
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "0",
        "HTTPS_PROXY": "http://me:pw@proxy:3128",
        "PATH": "/env/bin:/usr/bin",
    },
    secrets=("API_TOKEN",),
    timeout=60.0,
    terminals=("stderr",),
)
SOURCE = Source(
    directory=ROOT,
    worktree=ROOT,
    subdirectory="",
    repository=True,
    commit=COMMIT,
    branch="main",
    remote="https://host.example/bikes.git",
    remote_branch=None,
    changes=(Change("odd\udcff\nname", "renamed", True, "before"), Change("new", "untracked")),
    submodules=(Submodule("lib", COMMIT, True),),
    snapshot="b" * 40,
)
ENVIRONMENT = Environment(
    plan=EnvironmentPlan(
        kind="lock",
        key="c" * 64,
        inputs={"format": 1, "lock": SHA},
        python=Interpreter(
            Path("/usr/bin/python3.11"), "3.11.7", "cpython", "cpython-311", "linux-x86_64", {"os_name": "posix"}
        ),
        directory=Path("/cache/env"),
        builder="uv",
        lock_text="demo==1.0 --hash=sha256:00\n",
        lock_path="requirements.lock",
        lock_origin="file",
        requirements_text="demo\n",
        declared="3.11",
    ),
    programs=Path("/cache/env/bin"),
    installed=(Distribution("demo", "1.0", SHA), Distribution("bare", "2", "")),
    reused=False,
    settings={"VIRTUAL_ENV": "/cache/env"},
    in_process="3.11.7",
)


def start_parts(run: str = RUN) -> StartParts:
    return StartParts(run, CREATED, "bikes", ROOT, "train", LABELS)


def recipe_parts(run: str = RUN) -> RecipeParts:
    return RecipeParts(
        run=run,
        created=CREATED,
        spec=SPEC,
        entry_point=ENTRY_POINT,
        declared=DECLARED,
        parameters=(
            {"name": "depth", "type": "int", "raw": "3", "value": 3, "origin": "default"},
            {
                "name": "cols",
                "type": "list",
                "items": "str",
                "raw": ["a b", ""],
                "value": ["a b", ""],
                "origin": "command line",
            },
        ),
        seed=42,
        request=REQUEST,
        source=SOURCE,
        environment=ENVIRONMENT,
        inputs=(Fingerprint("counts", "data/counts.csv", "file", 12, 1, SHA, SHA),),
        host=host(),
        flags=(Flag("dirty", "the tree is dirty", "git commit"),),
        labels=LABELS,
    )


def outcome_parts(run: str = RUN) -> OutcomeParts:
    return OutcomeParts(
        run=run,
        status="finished",
        exit_code=0,
        started=CREATED,
        ended=CREATED + 2.5,
        process=Outcome("finished", 0, CREATED + 1, CREATED + 2, Usage(1.0, 0.5, 0.1, 1 << 20)),
        phases=(Phase("source", CREATED, 0.5), Phase("run", CREATED + 1, 1.0)),
        inputs=(
            ChangedInput(Fingerprint("counts", "data/counts.csv", "file", 12, 1, SHA), "missing", "it is gone"),
            ChangedInput(Fingerprint("more", "more", "directory", 1, 1, SHA), "directory", "written: a", SHA, 2),
        ),
        outputs=(
            Fingerprint("results/model.pkl", "results/model.pkl", "file", 3, 1, SHA),
            Fingerprint("results/old", "results/old", "directory", 3, 1, SHA, stale=True),
            Fingerprint("results/none", "results/none", "missing"),
        ),
        metrics=(Metric("test.rmse", 1.5, "results/metrics.json"), Metric("big", "1e400", "results/metrics.json")),
        flags=(Flag("tree-changed", "x.py changed while the run ran"),),
    )


def refusal_parts(run: str = RUN) -> OutcomeParts:
    """A run that gave up before its process started."""
    return replace(
        outcome_parts(run),
        status="not-started",
        exit_code=114,
        process=None,
        phase="data",
        outputs=(),
        metrics=(),
        error=DataError("input 'counts' is missing", why="no such file", hint="put it there"),
    )


def container_parts(run: str = RUN) -> RecipeParts:
    """A run in a container, of an image that was built."""
    declared = EnvironmentSpec(
        docker=DockerSpec(
            file="Dockerfile",
            args={"V": "1"},
            secrets=("TOKEN",),
            mounts=(DockerMount("/data", "/d"),),
            gpus=("0",),
        )
    )
    base = Base("debian:12", 1, f"sha256:{SHA}", pinned=False)
    plan = EnvironmentPlan(
        kind="docker",
        key="e" * 64,
        inputs={"format": 1, "context": SHA},
        python=None,
        directory=Path("/cache/env"),
        builder="docker",
        image=ImagePlan(None, (base,), "FROM debian:12\n", SHA, {"V": "1"}),
    )
    image = Image(f"sha256:{SHA}", (), ("projrun:eee",), "linux/amd64", 1 << 20, entrypoint=("tini", "--"))
    packages = (Package("dash", "0.5", "amd64", "dpkg"),)
    built = BuiltImage(image, "Docker Engine 20.10.24", rootless=False, packages=packages, python="3.11.2")
    container = Container(
        image=image.id,
        name=f"projrun-{run}",
        lock="/cache/containers/lock",
        mounts=(Mount("/work/bikes", "/project", writable=True), Mount("/data", "/d")),
        user="1000:1000",
        network="none",
        home="/projrun/home",
        entrypoint=image.entrypoint,
        memory=1 << 30,
        gpus=("0",),
    )
    return replace(
        recipe_parts(run),
        declared=declared,
        request=replace(REQUEST, cwd="/project", terminals=(), container=container),
        environment=Environment(plan, None, (Distribution("demo", "1.0", SHA),), reused=False, image=built),
        build_log=KeptFile(SHA, 12),
    )
