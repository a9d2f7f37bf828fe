"""The builder uv (https://docs.astral.sh/uv/): makes the environment, resolves and installs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.environment import uv_platforms
from projrun.environment.builder import BuildRequest, LookupRequest, ResolutionRequest
from projrun.environment.lock import LockLine, normalised
from projrun.environment.platforms import name_of

# Where to fetch from, how to get there and where to keep it belongs to the machine. Every other UV_ variable
# could change what gets installed without anybody seeing it.
_KEPT = re.compile(
    r"UV_(INDEX(_.*)?|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|CREDENTIALS_DIR|CONFIG_FILE"
    r"|CACHE_DIR|NO_CACHE|OFFLINE|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS"
    r"|(HTTP|REQUEST|UPLOAD)_.*|CONCURRENT_.*|LOCK_TIMEOUT)"
)
# What uv calls the platforms that can be looked up from another one.
_TARGETS = {
    "linux-x86_64": "x86_64-unknown-linux-gnu",
    "linux-aarch64": "aarch64-unknown-linux-gnu",
    "macos-arm64": "aarch64-apple-darwin",
    "macos-x86_64": "x86_64-apple-darwin",
}
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

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Path:
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
        installed = _Call(request.folder, write, offline=request.offline, fresh=request.fresh)
        words = ("pip", "sync", "--require-hashes", "--link-mode", _link_mode(), "--allow-empty-requirements")
        if installed.run(
            *words,
            *_wheels_only(request.source_distributions, request.lines),
            *_python(directory / "bin" / "python"),
            lock,
        ):
            raise _not_installed(installed.output, request)
        return directory

    def resolve(self, request: ResolutionRequest, write: Callable[[bytes], None]) -> str:
        lock = request.folder / "requirements.lock"
        if request.previous:
            lock.write_text(request.previous, encoding="utf-8")
        variables = _environment()
        if request.platforms:
            variables = uv_platforms.restrict(request, variables)
        else:
            _fence(request.folder)
        call = _Call(request.folder, write, offline=request.offline, variables=variables)
        words = ("pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-sources")
        places = (*_python(request.interpreter.path), "--output-file", lock, request.requirements)
        if call.run(*words, "--only-binary", ":all:", *_choices(request), *places):
            version = request.python or request.interpreter.version
            command = f"uv pip compile --python-version {version} {request.file}"
            raise EnvironmentFailure(
                f"the requirements in {request.file} cannot be resolved",
                why=_reason(call.output),
                hint=_network_hint(call.output) or f"change {request.file}, or try: {command}",
            )
        return lock.read_text(encoding="utf-8")

    def look_up(self, request: LookupRequest, write: Callable[[bytes], None]) -> str:
        """The files of the lines as a pylock.toml (PEP 751), with addresses of the index.

        Which of them were locked is for the caller to tell. Raises EnvironmentFailure.
        """
        _fence(request.folder)
        pins = request.folder / "pins.in"
        pins.write_text("".join(f"{line.name}=={line.version}\n" for line in request.lines), encoding="utf-8")
        call = _Call(request.folder, write, offline=request.offline)
        place = request.folder / "pylock.toml"
        words = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-sources", "--generate-hashes"]
        words += ["--format", "pylock.toml", "--python-version", request.interpreter.version]
        if request.platform in _TARGETS and request.platform != name_of(_own_markers()):
            words += ["--python-platform", _TARGETS[request.platform]]
        chosen = _wheels_only(request.source_distributions, request.lines)
        if call.run(*words, *chosen, *_python(Path(sys.executable)), "--output-file", place, pins):
            raise EnvironmentFailure(
                "the package index does not tell the files of the lock",
                why=_reason(call.output),
                hint=_network_hint(call.output) or "use the index that it was locked from (UV_DEFAULT_INDEX)",
            )
        return place.read_text(encoding="utf-8")


class _Call:
    """One call of uv in a folder; ``output`` is the end of what it wrote."""

    def __init__(
        self,
        folder: Path,
        write: Callable[[bytes], None],
        *,
        offline: bool,
        fresh: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._variables = _environment() if variables is None else variables
        self._options = (*(("--offline",) if offline else ()), *(("--no-cache",) if fresh else ()))
        self._write = write
        self._tail = b""

    @property
    def output(self) -> str:
        return self._tail.decode(errors="replace")

    def run(self, *words: str | Path) -> int:
        argv = [_executable(), "--color", "never", "--no-progress", *self._options, *words]
        return process.stream(argv, self._take, cwd=self._folder, env=self._variables)

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


def _choices(request: ResolutionRequest) -> list[str | Path]:
    """The words that say what of the requirements is resolved, for what, and what may change."""
    words: list[str | Path] = [] if request.annotate else ["--no-annotate"]
    words += [word for name in request.source_distributions for word in ("--no-binary", name)]
    words += [word for name in request.extras for word in ("--extra", name)]
    words += [word for name in request.groups for word in ("--group", f"{request.requirements}:{name}")]
    words += ["--upgrade"] if request.upgrade_all else []
    words += [word for wish in request.upgrade for word in ("--upgrade-package", wish)]
    words += ["--universal"] if request.universal or request.platforms else []
    words += ["--python-version", request.python] if request.python else []
    return words


def _own_markers() -> Mapping[str, str]:
    return {"sys_platform": sys.platform, "platform_machine": os.uname().machine}


def _link_mode() -> str:
    # Never hard links: editing a file of one environment would edit uv's cache and all others.
    return "clone" if sys.platform == "darwin" else "copy"


def _wheels_only(source_distributions: Sequence[str], lines: Sequence[LockLine]) -> list[str]:
    """Wheels for all but the packages that may be built, which still come as wheels when there are some."""
    if not source_distributions:
        return ["--only-binary", ":all:"]
    allowed = {normalised(name) for name in source_distributions}
    names = sorted({line.name for line in lines} - allowed)
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
