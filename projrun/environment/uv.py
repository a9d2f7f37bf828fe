"""The builder uv (https://docs.astral.sh/uv/): makes the environment, resolves and installs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.environment.builder import BuildRequest, Made, ResolutionRequest
from projrun.environment.lock import LockLine, normalised

# Where to fetch from, how to get there and where to keep it belongs to the machine. Every other UV_ variable
# could change what gets installed without anybody seeing it.
_KEPT = re.compile(
    r"UV_(INDEX(_.*)?|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|CREDENTIALS_DIR|CONFIG_FILE"
    r"|CACHE_DIR|NO_CACHE|OFFLINE|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS"
    r"|(HTTP|REQUEST|UPLOAD)_.*|CONCURRENT_.*|LOCK_TIMEOUT)"
)
_TAIL = 65536  # bytes of output kept to tell what went wrong; the log has them all
_NO_WHEEL = ("no wheels with a matching", "no usable wheels", "building from source is disabled", "no wheels are")
_NOT_THERE = ("was not found in the package registry", "there is no version of", "not found in the provided")
_UNREACHABLE = ("Failed to fetch", "error sending request", "network was disabled", "Could not connect")


class Uv:
    """Builds with uv: the one that was installed along with projrun, else the one on PATH."""

    name = "uv"

    def version(self) -> str:
        done = process.run([_executable(), "--version"], env=_environment())
        return done.text.split()[1] if done.ok and len(done.text.split()) > 1 else "unknown"

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        _fence(request.folder)
        directory = request.folder / "environment"
        lock = request.folder / "requirements.lock"
        lock.write_text(request.lock_text, encoding="utf-8")
        made = _Call(request.folder, write, offline=request.offline)
        if made.run(
            "venv", "--quiet", "--relocatable", "--no-project", *_python(request.interpreter.path), directory
        ):
            raise EnvironmentFailure(
                f"uv cannot make an environment of {request.interpreter.path}",
                why=_reason(made.output),
                hint=f"see what it says: uv venv --python {request.interpreter.path} DIR",
            )
        installed = _Call(request.folder, write, offline=request.offline)
        words = ("pip", "sync", "--require-hashes", "--link-mode", _link_mode(), "--allow-empty-requirements")
        if installed.run(*words, *_wheels_only(request), *_python(directory / "bin" / "python"), lock):
            raise _not_installed(installed.output, request)
        return Made(directory)

    def resolve(self, request: ResolutionRequest, write: Callable[[bytes], None]) -> str:
        _fence(request.folder)
        lock = request.folder / "requirements.lock"
        call = _Call(request.folder, write, offline=request.offline)
        sources = [word for name in request.source_distributions for word in ("--no-binary", name)]
        words = ("pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--no-sources")
        places = (*_python(request.interpreter.path), "--output-file", lock, request.requirements)
        command = f"uv pip compile --python-version {request.interpreter.version} {request.file}"
        if call.run(*words, "--only-binary", ":all:", *sources, *places):
            raise EnvironmentFailure(
                f"the requirements in {request.file} cannot be resolved",
                why=_reason(call.output),
                hint=_network_hint(call.output) or f"change {request.file}, or try: {command}",
            )
        return lock.read_text(encoding="utf-8")


class _Call:
    """One call of uv in a folder; ``output`` is the end of what it wrote."""

    def __init__(self, folder: Path, write: Callable[[bytes], None], *, offline: bool) -> None:
        self._folder = folder
        self._offline = ("--offline",) if offline else ()
        self._write = write
        self._tail = b""

    @property
    def output(self) -> str:
        return self._tail.decode(errors="replace")

    def run(self, *words: str | Path) -> int:
        argv = [_executable(), "--color", "never", "--no-progress", *self._offline, *words]
        return process.stream(argv, self._take, cwd=self._folder, env=_environment())

    def _take(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_TAIL:]
        self._write(data)


def _executable() -> str:
    try:
        import uv
    except ImportError:
        found = shutil.which("uv")
    else:
        try:
            found = os.fspath(uv.find_uv_bin())
        except FileNotFoundError:
            found = shutil.which("uv")
    if found is None:
        raise EnvironmentFailure(
            "uv is not installed",
            why="It builds the environments and comes with projrun, but is not where projrun is, nor on PATH.",
            hint="install projrun again, or put uv on PATH",
        )
    return found


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in process.tool_environment().items()
        if not name.startswith("UV_") or _KEPT.fullmatch(name)
    }


def _fence(folder: Path) -> None:
    """Ends uv's search for the configuration of a project: this folder may lie inside one."""
    (folder / "uv.toml").touch()


def _python(path: Path) -> tuple[str | Path, ...]:
    return ("--python", path, "--no-python-downloads")


def _link_mode() -> str:
    # Never hard links: editing a file of one environment would edit uv's cache and all others.
    return "clone" if sys.platform == "darwin" else "copy"


def _wheels_only(request: BuildRequest) -> list[str]:
    """Wheels for all but the packages that may be built, which still come as wheels when there are some."""
    if not request.source_distributions:
        return ["--only-binary", ":all:"]
    allowed = {normalised(name) for name in request.source_distributions}
    names = sorted({line.name for line in request.lines} - allowed)
    return [word for name in names for word in ("--only-binary", name)]


def _not_installed(output: str, request: BuildRequest) -> EnvironmentFailure:
    culprits = _culprits(output, request.lines)
    places = [f"{request.lock_file}:{line.line}: {line.name}=={line.version}" for line in culprits]
    if "Hash mismatch" in output and culprits:
        what = f"{places[0]}: the archive is not the one that was locked"
        hint = (
            "do not use it before you know why; if it was locked for another platform or interpreter, compile the"
            f" lock again: {request.compile_command}"
        )
    elif _any(output, _NO_WHEEL) and culprits:
        what = f"{places[0]} has no wheel for this platform and interpreter"
        hint = (
            f"choose another version or Python, or name {culprits[0].name} under environment.source_distributions"
        )
    elif _any(output, _NOT_THERE) and culprits:
        what = f"{places[0]} is not on the package index"
        hint = "compile the lock against the index of this machine (UV_DEFAULT_INDEX)"
    else:
        what = f"{places[0]} cannot be installed" if places else f"{request.lock_file} cannot be installed"
        hint = _network_hint(output)
    return EnvironmentFailure(what, why=_reason(output), hint=hint)


def _culprits(output: str, lines: Sequence[LockLine]) -> list[LockLine]:
    """The lock's lines that the error speaks of, in its order."""
    error = _error_of(output)
    found = []
    for match in re.finditer(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)", error):
        name = normalised(match.group(1))
        found += [line for line in lines if line.name == name and line.version == match.group(2)]
    return found or [line for line in lines if re.search(rf"[/`]{re.escape(line.name)}[/`]", error)]


def _error_of(output: str) -> str:
    """The error at the end of the output, without uv's progress before it."""
    match = re.search(r"^\s*(error:|\u00d7)", output, re.MULTILINE)
    return output[match.start() :] if match else output


def _reason(output: str) -> str:
    """The error in plain lines: no frame characters, causes before the general sentence."""
    rows = [re.sub(r"^[\s\u00d7│╰─▶├]+", "", row).strip() for row in _error_of(output).splitlines()]
    rows = [re.sub(r"^(error|cause|Caused by): ", "", row) for row in rows if row]
    rows = [row.replace(", we can conclude that your requirements are unsatisfiable.", ".") for row in rows]
    causes = [row for row in rows[1:] if not row.startswith("hint:")]
    hints = [row for row in rows[1:] if row.startswith("hint:")]
    return "\n".join((*causes, *rows[:1], *hints)[:12]) or "uv gave no reason."


def _network_hint(output: str) -> str:
    if "network was disabled" in " ".join(output.split()):
        return "run once without --offline"
    if not _any(output, _UNREACHABLE):
        return ""
    return "check the network and the package index that uv is configured for (UV_DEFAULT_INDEX)"


def _any(output: str, signs: Sequence[str]) -> bool:
    words = " ".join(output.replace("│", " ").split())
    return any(sign in words for sign in signs)
