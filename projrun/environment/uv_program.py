"""uv as a program: which one, with which variables, and what people are told of what it says."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.environment import configuration, uv_platforms
from projrun.environment.builder import ResolutionRequest
from projrun.environment.index import Settings, has_proxy
from projrun.environment.tool import Tool

# Where to fetch from, how to get there and where to keep it belongs to the machine. Every other UV_ variable
# could change what gets installed without anybody seeing it.
_KEPT = re.compile(
    r"UV_(INDEX(_.*)?|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|CREDENTIALS_DIR|CONFIG_FILE"
    r"|CACHE_DIR|NO_CACHE|OFFLINE|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS"
    r"|PYTHON_(INSTALL_(DIR|MIRROR)|DOWNLOADS(_JSON_URL)?|CACHE_DIR)"
    r"|(HTTP|REQUEST|UPLOAD)_.*|CONCURRENT_.*|LOCK_TIMEOUT)"
)
# uv says by itself what it downloads only when it is large. What it says to those who debug it names all.
_TALK = "uv_installer::plan=debug,uv_resolver::resolver=debug"
_FETCHING = re.compile(r"DEBUG Identified uncached distribution: (\S+)")
_RESOLVING = re.compile(r"DEBUG (?:Adding \w+ dependency.*: (?P<name>[\w.-]+)|Selecting: (?P<chosen>\S+))")


class UvProgram:
    """uv in a folder: ``run`` gives a call's exit code and the end of what it wrote."""

    def __init__(
        self,
        folder: Path,
        write: Callable[[bytes], None],
        *,
        offline: bool,
        fresh: bool = False,
        resolving: ResolutionRequest | None = None,
    ) -> None:
        own = configuration.of_uv()
        merged = own.completed_by(configuration.of_pip())
        passed_on = variables(own, merged)
        if resolving and resolving.platforms:
            passed_on = uv_platforms.restrict(resolving, passed_on)
        else:
            # Ends uv's search for the configuration of a project: this folder may lie inside one.
            (folder / "uv.toml").touch()
        self._options = (*(("--offline",) if offline else ()), *(("--no-cache",) if fresh else ()))
        self._tool = Tool(folder, passed_on, configuration.secrets(), write)
        self.places = ("--no-index",) if merged.no_index and not own.no_index else ()

    def run(self, *words: str | Path) -> tuple[int, str]:
        ended = self._tool.call(
            [executable(), "--color", "never", *self._options, *words], _Told(resolving="compile" in words)
        )
        return ended.code, ended.output

    def ask(self, *words: str | Path) -> bool:
        """A call that nobody is told of, out of what uv has fetched already. Whether it came to something."""
        return not self._tool.call([executable(), "--offline", *words], lambda line: None).code


class _Told:
    """What of uv's lines people are told: what is fetched and tried, once each, and whatever is no debugging.

    Nothing is tried when a lock is installed, though uv calls it so.
    """

    def __init__(self, *, resolving: bool) -> None:
        self._resolving = resolving
        self._before: set[str] = set()

    def __call__(self, line: str) -> str | None:
        if not line.startswith("DEBUG "):
            return line
        if fetching := _FETCHING.fullmatch(line):
            return f"Fetching {fetching[1]}"
        match = _RESOLVING.match(line) if self._resolving else None
        if match is None or match[0] in self._before or f"{match['name']}" in self._before:
            return None
        self._before |= {match[0], match["name"] or match[0]}
        return f"Resolving {match['name']}" if match["name"] else f"Trying {match['chosen']}"


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
            hint="install projrun again, or put uv on PATH; or let pip build: --builder pip",
        )
    return found


def variables(own: Settings, settings: Settings) -> dict[str, str]:
    """The variables for uv; ``settings`` are its ``own``, completed by those of pip."""
    asks = own.keyring not in ("", "disabled")  # what it asks may need whatever the caller has
    kept = {
        name: value
        for name, value in process.tool_environment({"RUST_LOG": _TALK}, whole=asks).items()
        if not name.startswith("UV_") or _KEPT.fullmatch(name)
    }
    if not own.names_places:
        kept |= {"UV_DEFAULT_INDEX": settings.index} if settings.index else {}
        # To pip all its indexes are one; uv would look no further than the first that has a package of the name.
        extra = {"UV_INDEX": " ".join(settings.extra), "UV_INDEX_STRATEGY": "unsafe-best-match"}
        kept |= extra if settings.extra else {}
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
