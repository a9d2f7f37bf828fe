"""Running an entry point, and doing a run again, from a program."""

from __future__ import annotations

import codecs
import contextlib
import numbers
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projrun.api.given import (
    PathLike,
    label_or_none,
    mapping,
    parameter_text,
    path_text,
    plain,
    text_or_none,
    truth,
    unfit,
    valid_seed,
    valid_tags,
)
from projrun.api.run import Run
from projrun.api.store import Store
from projrun.core.errors import UsageError
from projrun.core.nearest import did_you_mean
from projrun.core.paths import cache_directory
from projrun.core.report import STDERR, STDOUT, Reporter, Silent
from projrun.core.values import Struct
from projrun.stopping import Interrupted
from projrun.store import store as kept

if TYPE_CHECKING:
    from projrun.options import Options
    from projrun.runner import Result

_BUILDERS = ("uv", "pip")


def run(  # noqa: PLR0913 - one parameter for each option of `projrun run`
    project: PathLike = ".",
    entry_point: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    store: Store | PathLike | None = None,
    environment: str | None = None,
    version: str | None = None,
    subdirectory: str | None = None,
    seed: int | None = None,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
    note: str | None = None,
    strict: bool = False,
    offline: bool = False,
    builder: str | None = None,
    allow_download: bool = False,
    echo: bool = False,
) -> Run:
    """Runs an entry point of a project and gives the run when it has ended, however it ended: see its ``status``.

    ``project`` is a directory of the project or an address, ``version`` a ref of it, and so on as ``projrun run``
    has them. Of ``parameters`` a text is read as that after ``-P`` is; numbers, truth values, lists and mappings
    are what they are. With ``echo`` the program's output is written to ``sys.stdout`` and ``sys.stderr``.

    Raises ProjrunError when nothing could be run (its ``run`` tells which run recorded that, if one did);
    KeyboardInterrupt after Ctrl-C, and projrun.Interrupted after another signal, when the run has been recorded.
    """
    from projrun import starting
    from projrun.options import Options

    given_parameters = mapping("parameters", parameters, 'parameters={"depth": 3}')
    options = Options(
        source=path_text("project", project),
        store=_path_of(store),
        cache=cache_directory(),
        entry_point=text_or_none("entry_point", entry_point),
        given=tuple(f"{key}={parameter_text(key, value)}" for key, value in given_parameters.items()),
        given_by="python",
        environment=text_or_none("environment", environment),
        version=text_or_none("version", version),
        subdirectory=None if subdirectory is None else path_text("subdirectory", subdirectory),
        seed=valid_seed(seed),
        name=label_or_none("name", name),
        tags=valid_tags(tags),
        note=label_or_none("note", note),
        strict=truth("strict", strict),
        offline=truth("offline", offline),
        builder=_builder(builder),
        allow_download=truth("allow_download", allow_download),
    )
    reporter = _reporter(echo=truth("echo", echo))
    with _told_as_python_does():
        return _recorded(options, starting.run(options, reporter))


class Reproduction(Struct, frozen=True):
    """What came of doing a run again: the new ``run``, and the ``verdict`` about it as ``verdict.json`` has it."""

    run: Run
    document: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """``reproduced``, ``differs``, ``not deterministic`` or ``unverified``."""
        return str(self.document["verdict"])

    @property
    def reproduced(self) -> bool:
        """Whether exit code, outputs and metrics are what they were."""
        return self.verdict == "reproduced"

    @property
    def summary(self) -> str:
        """The verdict in a line."""
        return str(self.document["summary"])

    @property
    def layers(self) -> Mapping[str, str]:
        """``verified``, ``differs`` or ``unchecked`` for each layer: ``code``, ``environment``, ..."""
        return {layer["name"]: layer["state"] for layer in self.document["layers"]}

    def __bool__(self) -> bool:
        return self.reproduced


def reproduce(
    run: Run | PathLike,
    *,
    store: Store | PathLike | None = None,
    tolerances: Mapping[str, float | str] | None = None,
    offline: bool = False,
    allow_download: bool = False,
    echo: bool = False,
) -> Reproduction:
    """Does a recorded run again, from its record alone, and judges what came of it.

    ``run`` is a :class:`Run`, an id, ``last``, or the recipe.json of any run; ``store`` gets the new run: that of
    the run when it is a Run. ``tolerances`` are by metric, as ``--tolerance`` has them: ``0.001`` or
    ``"0.001,1%"``. Raises ProjrunError when it cannot be done, and for signals as :func:`run`.
    """
    from projrun.reproducing import Asked
    from projrun.reproducing import reproduce as flow
    from projrun.verdict.tolerances import parse

    place = run.directory.parent.parent if isinstance(run, Run) and store is None else _path_of(store)
    asked = Asked(
        run=str(run.directory / "recipe.json") if isinstance(run, Run) else path_text("run", run),
        store=place,
        cache=cache_directory(),
        tolerances=parse(tuple(f"{name}={plain(value)}" for name, value in _tolerances(tolerances))),
        offline=truth("offline", offline),
        allow_download=truth("allow_download", allow_download),
    )
    reporter = _reporter(echo=truth("echo", echo))
    with _told_as_python_does():
        done = flow(asked, reporter)
        again = _recorded(asked.options, done.result)
    assert done.verdict is not None, "a run that was stopped has been told"
    return Reproduction(again, done.verdict)


def _recorded(options: Options, result: Result) -> Run:
    """The run that has ended; when it was stopped by a signal of ours, so is the caller."""
    process = result.outcome["process"]
    received = process["received"] if process else None
    if result.outcome["status"] == "interrupted" and received is not None:
        raise Interrupted(received, result.id)
    store = kept.Store(options.store)
    return Run(store, store.read(result.id))


@contextlib.contextmanager
def _told_as_python_does() -> Iterator[None]:
    """Ctrl-C ends the caller's loop too, by what Python has for that."""
    try:
        yield
    except Interrupted as stop:
        if stop.number != signal.SIGINT:
            raise
        where = f" and was recorded as run {stop.run}" if stop.run else ""
        raise KeyboardInterrupt(f"the run was interrupted{where}") from None


class _Echo:
    """A reporter that writes the program's output to ``sys.stdout`` and ``sys.stderr``, wherever they lead."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {STDOUT: decoder("backslashreplace"), STDERR: decoder("backslashreplace")}

    def phase(self, name: str, text: str) -> None:
        pass

    def write(self, stream: str, data: bytes) -> None:
        if stream in self._decoders:
            file = sys.stdout if stream == STDOUT else sys.stderr
            file.write(self._decoders[stream].decode(data))
            file.flush()


def _reporter(*, echo: bool) -> Reporter:
    return _Echo() if echo else Silent()


def _path_of(store: Store | PathLike | None) -> Path:
    """The directory of a store. Raises UsageError for what is none."""
    if isinstance(store, Store):
        return store.path
    return Store(None if store is None else path_text("store", store)).path


def _builder(builder: object) -> str | None:
    name = text_or_none("builder", builder)
    if name is not None and name not in _BUILDERS:
        raise UsageError(
            f"there is no builder {name!r:.80}",
            why=f"they are {' and '.join(_BUILDERS)}",
            hint=did_you_mean(name[:80], _BUILDERS),
        )
    return name


def _tolerances(tolerances: Mapping[str, float | str] | None) -> Iterator[tuple[str, object]]:
    example = 'tolerances={"rmse": 0.001}, or {"rmse": "0.001,1%"}'
    for name, value in mapping("tolerances", tolerances, example).items():
        if isinstance(value, bool) or not isinstance(value, str | numbers.Real):
            raise unfit(f"the tolerance of {name!r:.80}", "a number, or text", value, example)
        yield name, value
