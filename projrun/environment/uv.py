"""The builder uv (https://docs.astral.sh/uv/): makes the environment, resolves and installs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.environment import configuration
from projrun.environment.builder import BuildRequest, Made, ResolutionRequest
from projrun.environment.index import Settings, has_proxy
from projrun.environment.platforms import marker
from projrun.environment.refusal import (
    Cause,
    Diagnosis,
    culprits,
    not_installed,
    not_resolved,
    plain,
    shortened,
    wheels_only,
)
from projrun.environment.text import parse_toml
from projrun.environment.tool import Tool

# Where to fetch from, how to get there and where to keep it belongs to the machine. Every other UV_ variable
# could change what gets installed without anybody seeing it.
_KEPT = re.compile(
    r"UV_(INDEX(_.*)?|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|CREDENTIALS_DIR|CONFIG_FILE"
    r"|CACHE_DIR|NO_CACHE|OFFLINE|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS"
    r"|PYTHON_(INSTALL_(DIR|MIRROR)|DOWNLOADS(_JSON_URL)?|CACHE_DIR)"
    r"|(HTTP|REQUEST|UPLOAD)_.*|CONCURRENT_.*|LOCK_TIMEOUT)"
)
_NO_WHEEL = ("no wheels with a matching", "no usable wheels", "building from source is disabled", "no wheels are")
_NOT_THERE = ("was not found in the package registry", "there is no version of", "not found in the provided")
_UNREACHABLE = ("Failed to fetch", "error sending request", "Could not connect")
# uv says by itself what it downloads only when it is large. What it says to those who debug it names all.
_TALK = "uv_installer::plan=debug,uv_resolver::resolver=debug"
_FETCHING = re.compile(r"DEBUG Identified uncached distribution: (\S+)")
_RESOLVING = re.compile(r"DEBUG (?:Adding \w+ dependency.*: (?P<name>[\w.-]+)|Selecting: (?P<chosen>\S+))")


class Uv:
    """Builds with uv: the one that was installed along with projrun, else the one on PATH."""

    name = "uv"

    def version(self) -> str:
        done = process.run([executable(), "--version"])
        return done.text.split()[1] if done.ok and len(done.text.split()) > 1 else "unknown"

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        uv = _Uv(request.folder, write, offline=request.offline)
        directory = request.folder / "environment"
        lock = request.folder / "requirements.lock"
        lock.write_text(request.lock_text, encoding="utf-8")
        python = request.interpreter.path
        code, output = uv.run("venv", "--quiet", "--relocatable", "--no-project", *_python(python), directory)
        if code:
            raise EnvironmentFailure(
                f"uv cannot make an environment of {python}",
                why=_reason(output),
                hint=f"see what it says: uv venv --python {python} DIR",
            )
        words = ("pip", "sync", "--require-hashes", "--link-mode", _link_mode(), "--allow-empty-requirements")
        places = (*uv.places, *_python(directory / "bin" / "python"), lock)
        code, output = uv.run(*words, *wheels_only(request), *places)
        if code:
            raise not_installed(_diagnosis(output, request), request)
        return Made(directory)

    def resolve(self, request: ResolutionRequest, write: Callable[[bytes], None]) -> str:
        uv = _Uv(request.folder, write, offline=request.offline, settings=_bounds(request))
        lock = request.folder / "requirements.lock"
        if request.previous:
            lock.write_text(request.previous, encoding="utf-8")
        words = ("pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-sources", *_asked(request))
        places = (*uv.places, *_python(request.interpreter.path), "--output-file", lock, request.requirements)
        code, output = uv.run(*words, *places)
        if code:
            command = f"uv pip compile --python-version {request.python or request.interpreter.version}"
            raise not_resolved(_diagnosis(output), request, command)
        return lock.read_text(encoding="utf-8")


def install_python(version: str, folder: Path, write: Callable[[bytes], None]) -> None:
    """Downloads the CPython of this version or series into uv's folder; ``folder`` is empty and ours alone.

    Raises EnvironmentFailure.
    """
    code, output = _Uv(folder, write, offline=False).run("python", "install", "--no-bin", version)
    if code:
        raise EnvironmentFailure(
            f"Python {version} cannot be downloaded",
            why=_reason(output),
            hint=f"see what it says: uv python install {version}; or install it in another way",
        )


def executable() -> str:
    """The path of uv. Raises EnvironmentFailure when there is none."""
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
            hint="install projrun again, or put uv on PATH; or let pip build: projrun run --builder pip",
        )
    return found


class _Uv:
    """uv in a folder: ``run`` gives a call's exit code and the end of what it wrote."""

    def __init__(
        self,
        folder: Path,
        write: Callable[[bytes], None],
        *,
        offline: bool,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        own = configuration.of_uv()
        merged = own.completed_by(configuration.of_pip())
        variables = _variables(own, merged)
        if settings:
            _write_project(folder, settings, variables)
        else:
            # Ends uv's search for the configuration of a project: this folder may lie inside one.
            (folder / "uv.toml").touch()
        self._offline = ("--offline",) if offline else ()
        self._tool = Tool(folder, variables, merged.passwords, write)
        self.places = ("--no-index",) if merged.no_index and not own.no_index else ()

    def run(self, *words: str | Path) -> tuple[int, str]:
        ended = self._tool.call([executable(), "--color", "never", *self._offline, *words], _Told())
        return ended.code, ended.output


class _Told:
    """What of uv's lines people are told: what is fetched and tried, once each, and whatever is no debugging."""

    def __init__(self) -> None:
        self._before: set[str] = set()

    def __call__(self, line: str) -> str | None:
        if not line.startswith("DEBUG "):
            return line
        if fetching := _FETCHING.fullmatch(line):
            return f"Fetching {fetching[1]}"
        match = _RESOLVING.match(line)
        if match is None or match[0] in self._before or f"{match['name']}" in self._before:
            return None
        self._before |= {match[0], match["name"] or match[0]}
        return f"Resolving {match['name']}" if match["name"] else f"Trying {match['chosen']}"


def _variables(own: Settings, settings: Settings) -> dict[str, str]:
    """The variables for uv; ``settings`` are its ``own``, completed by those of pip."""
    kept = {
        name: value
        for name, value in process.tool_environment({"RUST_LOG": _TALK}).items()
        if not name.startswith("UV_") or _KEPT.fullmatch(name)
    }
    if not own.names_places:
        kept |= {"UV_DEFAULT_INDEX": settings.index} if settings.index else {}
        kept |= {"UV_INDEX": " ".join(settings.extra)} if settings.extra else {}
    if settings.links and (not own.names_places or "UV_FIND_LINKS" in kept):
        kept["UV_FIND_LINKS"] = ",".join(settings.links)
    if settings.certificate and not own.certificate:
        is_folder = Path(settings.certificate).is_dir()
        kept["SSL_CERT_DIR" if is_folder else "SSL_CERT_FILE"] = settings.certificate
    if settings.trusted and not own.trusted:
        kept["UV_INSECURE_HOST"] = " ".join(settings.trusted)
    if settings.proxy and not own.proxy and not has_proxy():
        kept |= {"HTTPS_PROXY": settings.proxy, "HTTP_PROXY": settings.proxy}
    return kept


def _python(path: Path) -> tuple[str | Path, ...]:
    return ("--python", path, "--no-python-downloads")


def _link_mode() -> str:
    # Never hard links: editing a file of one environment would edit uv's cache and all others.
    return "clone" if sys.platform == "darwin" else "copy"


def _asked(request: ResolutionRequest) -> list[str]:
    """The words that say what of the requirements is resolved, for what, and what may change."""
    words = ["--only-binary", ":all:"]
    words += [word for name in request.source_distributions for word in ("--no-binary", name)]
    words += [word for name in request.extras for word in ("--extra", name)]
    words += [word for name in request.groups for word in ("--group", f"{request.requirements}:{name}")]
    words += ["--upgrade"] if request.upgrade_all else []
    words += [word for wish in request.upgrade for word in ("--upgrade-package", wish)]
    words += ["--universal"] if request.universal or request.platforms else []
    words += ["--python-version", request.python] if request.python else []
    return words if request.annotate else [*words, "--no-annotate"]


def _bounds(request: ResolutionRequest) -> Mapping[str, Any]:
    """uv's settings for the platforms that a universal resolution is for; none when it is for all.

    One Python series is meant unless ``python`` says where a range begins.
    """
    if not request.platforms:
        return {}
    series = request.interpreter.version.split(".")[:2]
    until = "" if request.python else f" and python_full_version < '{series[0]}.{int(series[1]) + 1}'"
    where = [marker(name) for name in request.platforms]
    return {"environments": [f"{one}{until}" for one in where], "required-environments": where}


def _write_project(folder: Path, settings: Mapping[str, Any], variables: dict[str, str]) -> None:
    """Writes settings that only a pyproject.toml can say.

    uv reads none where UV_CONFIG_FILE names its settings: they are put there as well, and the variable goes.
    """
    import tomli_w

    named = variables.pop("UV_CONFIG_FILE", "")
    try:
        others = parse_toml(Path(named).read_text(encoding="utf-8")) if named else {}
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(
            f"uv's settings in {named} cannot be read", why=str(error), hint="UV_CONFIG_FILE names that file"
        ) from error
    text = tomli_w.dumps({"tool": {"uv": {**others, **settings}}})
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


def _diagnosis(output: str, request: BuildRequest | None = None) -> Diagnosis:
    lines = request.lines if request else ()
    words, found = " ".join(output.replace("│", " ").split()), culprits(_error_of(output), lines)
    signs = {
        Cause.HASH: ("Hash mismatch",),
        Cause.NO_WHEEL: _NO_WHEEL,
        Cause.NOT_THERE: _NOT_THERE,
        Cause.OFFLINE: ("network was disabled",),
        Cause.UNREACHABLE: _UNREACHABLE,
    }
    about_lines = (Cause.HASH, Cause.NO_WHEEL, Cause.NOT_THERE)
    causes = (
        cause
        for cause, texts in signs.items()
        if any(text in words for text in texts) and (found or cause not in about_lines)
    )
    return Diagnosis(next(causes, Cause.OTHER), _reason(output), found)


def _error_of(output: str) -> str:
    """The error at the end of the output, without uv's progress before it."""
    match = re.search(r"^\s*(error:|\u00d7)", output, re.MULTILINE)
    return output[match.start() :] if match else output


def _reason(output: str) -> str:
    """The error in plain lines: no frame characters, causes before the general sentence."""
    rows = plain(_error_of(output).splitlines())
    rows = [row.replace(", we can conclude that your requirements are unsatisfiable.", ".") for row in rows]
    causes = [row for row in rows[1:] if not row.startswith("hint:")]
    hints = [row for row in rows[1:] if row.startswith("hint:")]
    return shortened((*causes, *rows[:1], *hints), "uv gave no reason.")
