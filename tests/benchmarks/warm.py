"""One more run of the tiny project, with everything there already: what is paid each time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks import projects
from tests.benchmarks.installed import Ground
from tests.benchmarks.results import Part
from tests.benchmarks.timing import Contestant, LeftOut, interleaved, settle, tell

DIRTY = 100
_RARELY = 3  # what takes seconds is measured in one of so many rounds


def measure(ground: Ground) -> Part:
    left_out: dict[str, str] = {}
    contestants = [*_plain(ground), *_projrun(ground)]
    for make in (_datalad, _sacred, _guild, _dvc, _mlflow):
        try:
            contestants += make(ground)
        except LeftOut as error:
            left_out[make.__name__.removeprefix("_")] = str(error)
            tell(f"left out: {error}")
    settle()
    part = interleaved(contestants, ground.rounds)
    return Part(part.rows, {**left_out, **part.left_out})


def _plain(ground: Ground) -> Iterator[Contestant]:
    root = projects.make(ground, "uv")
    variables = ground.variables()
    script = [f"{root}/.venv/bin/python", "main.py", "--depth", "3"]
    yield Contestant("bare", "python main.py", script, root, variables)
    uv = [ground.installed.uv, "run", "--frozen", "python", "main.py", "--depth", "3"]
    yield Contestant("uv", "uv run --frozen", uv, root, variables)
    yield Contestant("git", "git status", ["git", "status"], root, variables)


def _projrun(ground: Ground) -> Iterator[Contestant]:
    locked = projects.lock(ground, projects.REQUIREMENT)
    variables = ground.variables()
    run = [ground.projrun(), "run"]
    clean = projects.make(ground, "projrun", "clean", locked)
    yield Contestant("projrun", "projrun run", run, clean, variables)
    dirty = projects.make(ground, "projrun", "dirty", locked)
    change(dirty)()
    yield Contestant("dirty", f"projrun run, {DIRTY} files not committed", run, dirty, variables)
    edited = projects.make(ground, "projrun", "edited", locked)
    text = f"projrun run, {DIRTY} files edited since the last run"
    yield Contestant("edited", text, run, edited, variables, change(edited))
    large = projects.make(ground, "projrun", "large", projects.lock(ground, *projects.LARGE))
    text = "projrun run, scikit-learn, pandas and matplotlib installed"
    yield Contestant("large", text, run, large, variables)
    yield Contestant("help", "projrun --help", [ground.projrun(), "--help"], clean, variables)
    yield Contestant("runs", "projrun runs", [ground.projrun(), "runs"], clean, variables)


def change(root: Path) -> Callable[[], None]:
    """Changes as many files as count as dirty, each time to something else; half of them are new ones."""
    count = 0

    def edit() -> None:
        nonlocal count
        count += 1
        for number in range(DIRTY):
            name = f"src/{'new' if number % 2 else 'old'}/module{number}.py"
            (root / name).write_text(f"VALUE = {number}\n" * 20 + f"# edited {count} times\n")

    for kind in ("old", "new"):
        (root / "src" / kind).mkdir(parents=True, exist_ok=True)
    return edit


def _datalad(ground: Ground) -> list[Contestant]:
    root = projects.make(ground, "datalad")
    python = f"{ground.scratch}/uv/.venv/bin/python"
    command = f"{python} main.py --depth 3"
    datalad = [ground.installed.program("datalad", "datalad"), "run", "-m", "run", "--output", "metrics.json"]
    variables = ground.variables("datalad")
    explicit = projects.make(ground, "datalad", "datalad-explicit")
    nothing = projects.make(ground, "datalad", "datalad-nothing")
    (nothing / ".git/info/exclude").write_text("metrics.json\n")
    return [
        Contestant("datalad", "datalad run", [*datalad, command], root, variables),
        Contestant(
            "datalad-explicit", "datalad run --explicit", [*datalad, "--explicit", command], explicit, variables
        ),
        Contestant(
            "datalad-nothing", "datalad run, nothing to record", [*datalad[:4], command], nothing, variables
        ),
    ]


def _sacred(ground: Ground) -> list[Contestant]:
    root = projects.make(ground, "sacred")
    argv = [ground.installed.program("sacred", "python"), "experiment.py", "with", "depth=3"]
    return [Contestant("sacred", "Sacred, with a FileStorageObserver", argv, root, ground.variables("sacred"))]


def _guild(ground: Ground) -> list[Contestant]:
    root = projects.make(ground, "guild")
    argv = [ground.installed.program("guild", "guild"), "run", "-y", "main", "depth=3"]
    return [Contestant("guild", "guild run", argv, root, ground.variables("guild"), every=_RARELY)]


def _dvc(ground: Ground) -> list[Contestant]:
    dvc = ground.installed.program("dvc", "dvc")
    variables = ground.variables("dvc")
    variables["PATH"] = f"{ground.scratch}/uv/.venv/bin:{variables['PATH']}"
    return [
        Contestant("dvc-repro", "dvc repro -f", [dvc, "repro", "-f"], _dvc_root(ground, "repro"), variables),
        Contestant(
            "dvc-exp",
            "dvc exp run -f",
            [dvc, "exp", "run", "-f"],
            _dvc_root(ground, "exp"),
            variables,
            every=_RARELY,
        ),
    ]


def _dvc_root(ground: Ground, name: str) -> Path:
    return projects.make(ground, "dvc", f"dvc-{name}")


def _mlflow(ground: Ground) -> list[Contestant]:
    root = projects.make(ground, "mlflow")
    variables = ground.variables("mlflow", "projrun")  # mlflow calls a uv that is on the PATH
    variables["MLFLOW_TRACKING_URI"] = "sqlite:///mlflow.db"
    if pyenv := shutil.which("pyenv"):  # its way to an interpreter for virtualenv
        variables["PATH"] += f":{Path(pyenv).parent}"
    mlflow = ground.installed.program("mlflow", "mlflow")
    return [
        Contestant(
            f"mlflow-{way}",
            f"mlflow run, --env-manager {way}",
            [mlflow, "run", ".", "--env-manager", way],
            root,
            {**variables, "MLFLOW_ENV_ROOT": str(ground.scratch / f"mlflow-{way}")},
            every=_RARELY,
        )
        for way in ("virtualenv", "uv", "local")
    ]
