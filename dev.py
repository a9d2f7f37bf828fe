"""Sets up a checkout of projrun and uses it. Needs Python 3.10 or newer and git, and no pip.

    python3 dev.py demo                  run the example in examples/wine
    python3 dev.py test                  lint, types and every test (words after it go to pytest alone)
    python3 dev.py test --every-python   the fast tests under the oldest and the newest other Python, 3.10 to 3.13
    python3 dev.py bench                 measure projrun against its peers (--help: which parts, how often)
    python3 dev.py lock                  compile requirements-dev.lock again (--upgrade: with newer packages)

The environment is .venv, installed from requirements-dev.lock, and made again when that changes.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 - whoever runs this by hand may well have an older one
    newer = [name for name in ("python3.13", "python3.12", "python3.11", "python3.10") if shutil.which(name)]
    sys.exit(
        f"dev.py: projrun needs Python 3.10 or newer, and this is {sys.version.split()[0]} ({sys.executable})\n"
        f"type: {newer[0] if newer else 'python3.12'} dev.py {' '.join(sys.argv[1:])}"
    )

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements-dev.lock"
STAMP = "projrun-checkout.json"
SERIES = ("3.10", "3.11", "3.12", "3.13")
# Where Debian and Ubuntu keep the wheel that ensurepip would have used.
DEBIAN_WHEELS = Path("/usr/share/python-wheels")
# Not that of a virtual environment we may be called from: it could be the very one to be made again.
OWN_PYTHON: str = getattr(sys, "_base_executable", sys.executable)

Words = Sequence["str | Path"]


def main(words: list[str]) -> int:
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb == "demo":
        return demo(rest)
    if verb == "test":
        return every_python(rest) if "--every-python" in rest else test(rest)
    if verb == "lock":
        return lock(rest)
    if verb == "bench":
        return run([environment(ROOT / ".venv") / "python", "-m", "tests.benchmarks", *rest])
    print(__doc__)
    return 0 if verb in ("-h", "--help", "help") else 2


def demo(words: list[str]) -> int:
    projrun = environment(ROOT / ".venv") / "projrun"
    code = run([projrun, "run", "examples/wine", "-e", "train", "-P", "depth=3", *words])
    print(f"\nHere projrun is {projrun.relative_to(ROOT)}; to call it by name: . .venv/bin/activate")
    return code


def test(words: list[str]) -> int:
    """Everything that must hold before a change is shared; with words, only the tests that they choose."""
    tools = environment(ROOT / ".venv")
    steps: list[Words] = [
        [tools / "ruff", "check", "."],
        [tools / "ruff", "format", "--check", "."],
        [tools / "mypy"],
        [tools / "pytest", "-n", "auto"],
    ]
    if words:
        steps = [[tools / "pytest", *words]]
    failed = [step for step in steps if run(step)]
    if failed:
        print("\nFAILED: " + "; ".join(" ".join([Path(step[0]).name, *map(str, step[1:])]) for step in failed))
    return 1 if failed else 0


def every_python(words: list[str]) -> int:
    """The fast tests under the oldest supported series here, and those nearest the system under the newest.

    Of the tests of the command line only those of plain runs: they start everything there is, and cost the most.
    """
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    here = {series: interpreter(series) for series in SERIES if series != ours}
    there = {series: python for series, python in here.items() if python}
    found = {series: there[series] for series in dict.fromkeys([*list(there)[:1], *list(there)[-1:]])}
    given = [word for word in words if word != "--every-python"]
    near = ["execution", "cli/test_run.py"]
    far = ["core", "data", "recipe", "spec", "store"]
    failed = []
    for place, (series, python) in enumerate(found.items()):
        tools = environment(ROOT / ".venvs" / series, python)
        chosen = [f"tests/{name}" for name in (near if place else [*near, *far])]
        words = given or ["-n", "auto", *chosen]
        if run([tools / "pytest", "-m", "not slow and not network", *words]):
            failed.append(series)
    print(f"\nother Pythons tested: {', '.join(found) or 'none found'}; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def lock(words: list[str]) -> int:
    uv = environment(ROOT / ".venv") / "uv"
    options = ["--universal", "--python-version", "3.10", "--generate-hashes", "--no-annotate", "--quiet"]
    header = ["--custom-compile-command", "python3 dev.py lock"]
    return run(
        [uv, "pip", "compile", *options, *header, "pyproject.toml", "--group", "dev", "-o", LOCK.name, *words]
    )


def environment(directory: Path, python: str = OWN_PYTHON) -> Path:
    """The bin folder of a virtual environment with the locked tools and this checkout in it."""
    identity = describe(python)
    wanted = {"python": identity, "directory": str(directory), "digest": digest()}
    tools = directory / "bin"
    with turn():
        if read_stamp(directory) == wanted and describe(str(tools / "python")) == identity:
            return tools
        print(f"setting up {directory.relative_to(ROOT)} with Python {identity[0]}: a minute, once", flush=True)
        if not fits(directory, identity):
            make(directory, python)
        locked: Words = ["--require-hashes", "--only-binary", ":all:", "-r", LOCK]
        # The first environment's uv is quicker; it may lack what pip knows of the index.
        quick: Words = [ROOT / ".venv" / "bin" / "uv", "pip", "install", "-q", "--python", tools / "python"]
        if not (Path(quick[0]).exists() and quiet([*quick, *locked])):
            slow: Words = [tools / "python", "-m", "pip", "install", "-qq"]
            must([*slow, *locked], "The locked packages cannot be installed")
        # uv is one of them. It installs the checkout with nothing from elsewhere.
        editable: Words = ["install", "-q", "--offline", "--no-deps", "--no-build-isolation", "-e", ROOT]
        must(
            [tools / "uv", "--no-config", "pip", *editable, "--python", tools / "python"],
            "projrun cannot be installed",
        )
        (directory / STAMP).write_text(json.dumps(wanted))
    return tools


def fits(directory: Path, identity: list[str]) -> bool:
    """Whether an environment can be brought up to date; if not, it has to be made anew."""
    stamp = read_stamp(directory)
    moved = isinstance(stamp, dict) and stamp.get("directory") != str(directory)
    return (
        not moved
        and (directory / "bin" / "pip").exists()
        and describe(str(directory / "bin" / "python")) == identity
    )


def make(directory: Path, python: str) -> None:
    """A new, empty environment with pip in it, by whatever this machine has for that."""
    if directory.exists() and not (directory / "pyvenv.cfg").exists():
        sys.exit(
            f"dev.py: {directory} is in the way: it is not a virtual environment\ntype: mv {directory} elsewhere"
        )
    for way in (with_ensurepip, with_debian_wheel, with_own_pip, with_virtualenv, with_uv, with_downloaded_wheel):
        shutil.rmtree(directory, ignore_errors=True)
        if way(directory, python) and quiet([directory / "bin" / "python", "-m", "pip", "--version"]):
            return
    shutil.rmtree(directory, ignore_errors=True)
    sys.exit(
        "dev.py: cannot make a virtual environment\n"
        f"why: {python} has neither ensurepip nor pip, and there is no uv, virtualenv or apt-get to help\n"
        "type: apt-get install python3-venv    (as root; or put uv on the PATH)"
    )


def with_ensurepip(directory: Path, python: str) -> bool:
    return quiet([python, "-m", "venv", directory])


def with_debian_wheel(directory: Path, python: str) -> bool:
    return with_wheel(directory, python, DEBIAN_WHEELS)


def with_own_pip(directory: Path, python: str) -> bool:
    """By the pip of the interpreter itself, which Debian forbids to touch anything but other environments."""
    if not quiet([python, "-m", "pip", "--version"]) or not bare(directory, python):
        return False
    return quiet([python, "-m", "pip", "--python", directory / "bin" / "python", "install", "-q", "pip"])


def with_virtualenv(directory: Path, python: str) -> bool:
    return quiet(["virtualenv", "-q", "--python", python, directory])


def with_uv(directory: Path, python: str) -> bool:
    return quiet(["uv", "venv", "-q", "--no-project", "--seed", "--python", python, directory])


def with_downloaded_wheel(directory: Path, python: str) -> bool:
    """By the wheel in Debian's package python3-pip-whl, unpacked aside: that needs no root."""
    with tempfile.TemporaryDirectory(prefix="projrun-") as folder:
        fetch = ["apt-get", "-q", "-o", "APT::Sandbox::User=", "-o", f"Dir::Cache={folder}"]
        own_lists = [*fetch, "-o", f"Dir::State::Lists={folder}/lists"]
        if not quiet([*fetch, "download", "python3-pip-whl"], cwd=folder):
            # The machine has no package lists, as in a container image: read them aside.
            Path(folder, "lists", "partial").mkdir(parents=True)
            quiet([*own_lists, "update"], cwd=folder)
            quiet([*own_lists, "download", "python3-pip-whl"], cwd=folder)
        for package in Path(folder).glob("python3-pip-whl_*.deb"):
            quiet(["dpkg-deb", "-x", package, folder])
        return with_wheel(directory, python, Path(folder) / DEBIAN_WHEELS.relative_to("/"))


def with_wheel(directory: Path, python: str, folder: Path) -> bool:
    """By a pip that installs itself out of its own wheel, as ensurepip does."""
    wheels = sorted(folder.glob("pip-*.whl"))
    if not wheels or not bare(directory, python):
        return False
    wheel = wheels[-1]
    options = ["-q", "--no-index", "--ignore-installed"]
    return quiet([directory / "bin" / "python", wheel / "pip", "install", *options, wheel])


def bare(directory: Path, python: str) -> bool:
    return quiet([python, "-m", "venv", "--without-pip", directory])


def interpreter(series: str) -> str | None:
    """A working interpreter of a series: by name on the PATH, in Debian's place, or in pyenv's folders."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(f"python{series}"), f"/usr/bin/python{series}"]
    candidates += sorted(str(path) for path in pyenv.glob(f"{series}.*/bin/python{series}"))
    for candidate in candidates:
        if candidate and describe(candidate)[0].startswith(f"{series}."):
            return candidate
    return None


def describe(python: str) -> list[str]:
    """Version and base prefix of an interpreter, as it says itself; empty texts when it does not work."""
    ask = "import platform, sys; print(platform.python_version()); print(sys.base_prefix)"
    try:
        done = subprocess.run([python, "-I", "-S", "-c", ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ["", ""]
    return done.stdout.splitlines()


def digest() -> str:
    """What the content of an environment follows from."""
    return hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def read_stamp(directory: Path) -> object:
    try:
        return json.loads((directory / STAMP).read_text())
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """One process at a time sets up this checkout. The lock is on the folder itself and leaves no file."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def variables() -> dict[str, str]:
    """Ours, without what would lead Python or pip to another place than the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        kept.pop(name, None)
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def quiet(words: Words, cwd: str | None = None) -> bool:
    """Whether a program is there and succeeds. What it says is only of interest to those who have all failed."""
    try:
        return not subprocess.run(words, cwd=cwd, env=variables(), capture_output=True, check=False).returncode
    except OSError:
        return False


def run(words: Words) -> int:
    """Runs a program in the checkout, shows the command, and gives its exit code."""
    first = Path(words[0])
    name = first.relative_to(ROOT) if first.is_relative_to(ROOT) else first
    print("$", name, *words[1:], flush=True)
    return subprocess.run(words, cwd=ROOT, env=variables(), check=False).returncode


def must(words: Words, otherwise: str) -> None:
    if subprocess.run(words, cwd=ROOT, env=variables(), check=False).returncode:
        sys.exit(f"dev.py: {otherwise}; the reason is above.\nThe command was: {' '.join(map(str, words))}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
