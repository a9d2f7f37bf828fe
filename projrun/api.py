"""projrun as a library: the store and its runs, running, and doing a run again.

Everything here raises :class:`projrun.ProjrunError` for what is wrong, prints nothing, and may be called from any
thread. In the main thread Ctrl-C and signals end a program that runs, as they do on the command line.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projrun.api_given import label, parameter_text, valid_seed, valid_tags
from projrun.api_run import Run
from projrun.api_runs import Runs
from projrun.core.errors import UsageError
from projrun.core.paths import absolute, cache_directory, store_directory
from projrun.core.report import STDERR, STDOUT, Reporter, Silent
from projrun.core.values import Struct
from projrun.stopping import Interrupted
from projrun.store import store as kept
from projrun.store.failures import check_kept
from projrun.store.index import RunQuery
from projrun.store.query.parser import parse, parse_sort

if TYPE_CHECKING:
    from projrun.options import Options
    from projrun.runner import Result

PathLike = str | os.PathLike[str]
_NEWEST = ("-started",)


class Store:
    """The run store at a directory: ``path``, else ``PROJRUN_STORE``, else the user data folder.

    Nothing is read, and nothing made, before it is asked for something. ``report`` hears how far a long look is.
    """

    def __init__(self, path: PathLike | None = None, *, report: Reporter | None = None) -> None:
        self._asked = path is not None
        self._store = kept.Store(store_directory(None if path is None else os.fspath(path)), report)

    @property
    def path(self) -> Path:
        """Its directory."""
        return self._store.path

    @property
    def notices(self) -> tuple[str, ...]:
        """What is to be known of the answers so far: that the index could not be used, say. Usually nothing."""
        return tuple(dict.fromkeys(self._store.index.notices))

    def runs(
        self,
        query: str = "",
        *,
        sort: str | Sequence[str] = _NEWEST,
        limit: int | None = None,
        project: PathLike | None = None,
    ) -> Runs:
        """The runs of a query (``metrics.rmse < 1 and status = "finished"``), the newest first.

        ``sort`` has the fields to sort by, with ``-`` before one for the largest first. ``project`` is a directory
        in a project: its runs alone. The runs are asked for when they are needed; what is wrong with the query is
        told at once. Raises UsageError.
        """
        if limit is not None and limit < 0:
            raise UsageError(f"limit {limit}: there are no fewer runs than 0", hint="limit=None for all of them")
        self._check_there()
        keys = (sort,) if isinstance(sort, str) else tuple(sort)
        parse(query), parse_sort(keys)
        return Runs(self._store, RunQuery(root=_root(project), where=query, sort=keys, limit=limit))

    def run(self, run: str = "last", *, project: PathLike | None = None) -> Run:
        """One run: by its id, the beginning of one, or ``last``, ``last~1``, ...: of all, or of a ``project``.

        Raises UsageError when there is none, or more than one begins so.
        """
        self._check_there()
        return Run(self._store, self._store.read(self._store.resolve(run, _root(project))))

    def _check_there(self) -> None:
        if self._asked:
            check_kept(self.path)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"


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

    options = Options(
        source=os.fspath(project),
        store=_path_of(store),
        cache=cache_directory(),
        entry_point=entry_point,
        given=tuple(f"{key}={parameter_text(key, value)}" for key, value in (parameters or {}).items()),
        environment=environment,
        version=version,
        subdirectory=subdirectory,
        seed=valid_seed(seed),
        name=None if name is None else label("name", name),
        tags=valid_tags(tags or {}),
        note=None if note is None else label("note", note),
        strict=strict,
        offline=offline,
        builder=builder,
        allow_download=allow_download,
    )
    with _told_as_python_does():
        return _recorded(options, starting.run(options, _reporter(echo=echo)))


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
        run=str(run.directory / "recipe.json") if isinstance(run, Run) else os.fspath(run),
        store=place,
        cache=cache_directory(),
        tolerances=parse(tuple(f"{name}={value}" for name, value in (tolerances or {}).items())),
        offline=offline,
        allow_download=allow_download,
    )
    with _told_as_python_does():
        done = flow(asked, _reporter(echo=echo))
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
    return store.path if isinstance(store, Store) else Store(store).path


def _root(project: PathLike | None) -> Path | None:
    """The directory of the project around a directory; that itself where no specification is (any more)."""
    if project is None:
        return None
    from projrun.spec.place import project_around

    place = Path(project)
    return project_around(place) or absolute(place)
