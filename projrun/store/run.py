"""One run's directory: written by the run's own process alone, readable by anybody at any time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projrun.core.errors import StoreError
from projrun.core.files import create, is_directory, read_json, remove_tree, write_atomic, write_json
from projrun.core.locks import Held, is_held
from projrun.core.values import Struct
from projrun.store.failures import writing

if TYPE_CHECKING:
    from projrun.store.scratch import Scratch

DOCUMENTS = ("start", "recipe", "outcome")
VERSION = 1
LABELS = "labels.json"  # what the run is called, once that was changed: see labels
_NO_JSON = "not JSON: it is cut off, or damaged"
VERDICT = "verdict.json"  # of a run that was done after another one, when it has ended
ALIVE = "alive"
PARAMETERS = "params.json"
METRICS = "metrics.jsonl"
ROOM = "room"  # taken on the disk before the program can fill it, and given back for outcome.json
_ROOM_BYTES = 64 * 1024
MOVED = "outputs"  # what a run wrote and could not be made objects
# What a run has in its directory for its program alone, and removes itself unless it is killed. The directories
# may still be used by a program that outlives its runner.
PASSING_FILES = (PARAMETERS, ROOM)
PASSING = (*PASSING_FILES, "bytecode", "startup")
# What projrun itself writes to a run's directory, without secrets.
OURS = frozenset(
    {
        *(f"{kind}.json" for kind in (*DOCUMENTS, "verdict", "labels")),
        *(ALIVE, *PASSING, "labels.lock", "output.log", "output.index"),
    }
)

ENDED = ("finished", "failed", "timeout", "interrupted", "not-started")
RUNNING = "running"
LOST = "lost"
STATUSES = (*ENDED, RUNNING, LOST)


class RunDirectory:
    """A run that this process is responsible for. The lock of ``alive`` is held until :meth:`close`.

    With a ``scratch`` what the program has in clear is there, and never in the store: see :mod:`scratch`.
    """

    def __init__(self, path: Path, lock: Held, scratch: Scratch | None = None) -> None:
        self.id = path.name
        self.path = path
        self.scratch = scratch
        self._lock: Held | None = lock
        self._clear = scratch.path if scratch else path

    @property
    def private(self) -> Path | None:
        """The scratch directory, if there is one."""
        return self.scratch.path if self.scratch else None

    def write_start(self, document: Mapping[str, Any]) -> None:
        """Writes start.json, once. Raises StoreError.

        Nothing waits for the disk: a run whose machine loses its power before its recipe is written did nothing.
        """
        self._write("start", document, durable=False)

    def write_recipe(self, document: Mapping[str, Any]) -> None:
        """Writes recipe.json, once: a recipe never changes. Takes the room for the outcome. Raises StoreError."""
        self._write("recipe", document)
        with writing(self.path), create(self.path / ROOM, mode=0o600) as file:
            file.write(os.urandom(_ROOM_BYTES))  # zeros take no room on a file system that compresses

    def write_outcome(self, document: Mapping[str, Any]) -> None:
        """Writes outcome.json, once: with it the run is over. Raises StoreError."""
        self._drop_room()
        self._write("outcome", document)

    def write_parameters(self, data: bytes) -> None:
        """Writes params.json, for the program to read. Raises StoreError."""
        with writing(self.path):
            # It goes with the program.
            write_atomic(self._clear / PARAMETERS, data, mode=0o600, durable=False)

    def drop_parameters(self) -> None:
        """Removes params.json: it holds values as they were given."""
        with contextlib.suppress(OSError):
            (self._clear / PARAMETERS).unlink()

    @property
    def metrics(self) -> Path:
        """What the program measured while it ran, as it is kept."""
        return self.path / METRICS

    @property
    def reported(self) -> Path:
        """Where the program appends what it measures: with a scratch directory not :attr:`metrics`."""
        return self._clear / METRICS

    @property
    def has_metrics(self) -> bool:
        """Whether the program measured anything."""
        return os.path.lexists(self.reported) or os.path.lexists(self.metrics)

    @property
    def bytecode(self) -> Path:
        """Where the Python of a run for the record keeps bytecode: nothing is there before the run, nor after."""
        return self._clear / "bytecode"

    def drop_bytecode(self) -> None:
        """Removes what Python kept in :attr:`bytecode`."""
        remove_tree(self.bytecode)

    @property
    def start_up(self) -> Path:
        """Where the Python of a seeded run finds what it executes first, and leaves marks."""
        return self.path / "startup"

    def write_start_up(self, name: str, data: bytes) -> None:
        """Writes a file there. Raises StoreError."""
        with writing(self.path):
            self.start_up.mkdir(mode=0o755)
            (self.start_up / name).write_bytes(data)

    def drop_start_up(self) -> None:
        """Removes it: the recipe says what was seeded."""
        remove_tree(self.start_up)

    def close(self) -> None:
        """Lets go of the run. Without an outcome it is LOST from now on."""
        if self.scratch is not None:
            self.scratch.close()
        if self._lock is not None:
            self._drop_room()
            self._lock.close()
            self._lock = None

    def _drop_room(self) -> None:
        with contextlib.suppress(OSError):
            (self.path / ROOM).unlink()

    def _write(self, kind: str, document: Mapping[str, Any], *, durable: bool = True) -> None:
        path = self.path / f"{kind}.json"
        if os.path.lexists(path):
            raise StoreError(
                f"run {self.id} already has its {kind}.json",
                why="the documents of a run are written once and never changed",
                hint="start a new run",
            )
        with writing(self.path):
            write_json(path, document, mode=0o600, durable=durable)


class RunRecord(Struct, frozen=True):
    """A run as it can be read now.

    ``status`` is the outcome's, ``running`` while its process lives, or ``lost``: it left no outcome and
    nobody lives who could write one. A document is None when it is not there or cannot be read;
    ``why_incomplete`` then says what is wrong, and is None when nothing is. ``labels`` is None unless the run's
    name, note or tags were changed after it began; it stands in the place of those of ``start`` then.
    """

    id: str
    path: Path
    start: Mapping[str, Any] | None
    recipe: Mapping[str, Any] | None
    outcome: Mapping[str, Any] | None
    status: str
    why_incomplete: str | None
    labels: Mapping[str, Any] | None = None

    @property
    def why_no_recipe(self) -> str:
        """Why it has no recipe, if it has none."""
        living = self.status == RUNNING
        told = "it has not come to its program yet" if living else "it ended before its recipe was complete"
        return self.why_incomplete or told


def read_run(path: Path) -> RunRecord:
    """Reads a run's directory. What is missing, truncated or foreign is told, never raised."""
    if not is_directory(path):
        return RunRecord(path.name, path, None, None, None, LOST, "it is no directory: a run is never a link")
    # Whether it lives comes first: a run that ends after this look has written its outcome before the next.
    alive, problem = _is_alive(path)
    documents = {}
    problems = [problem] if problem else []
    for kind in DOCUMENTS:
        documents[kind], problem = _document(path / f"{kind}.json", kind)
        if problem:
            problems.append(problem)
    outcome = documents["outcome"]
    if outcome is not None:
        status = str(outcome["status"])
    elif alive:
        status = RUNNING
    else:
        status = LOST
        for name in PASSING_FILES:  # its runner would have: the first holds values as they were given
            with contextlib.suppress(OSError):
                (path / name).unlink()
        if not (path / "outcome.json").exists():
            problems.append("its process ended without writing what happened")
    if documents["start"] is None and not (path / "start.json").exists() and not alive:
        problems.append("start.json is missing")
    labels, problem = _document(path / LABELS, "labels")
    if problem:
        problems.append(problem)
    why = "; ".join(problems) or None
    return RunRecord(path.name, path, documents["start"], documents["recipe"], outcome, status, why, labels)


def write_verdict(path: Path, document: Mapping[str, Any]) -> None:
    """Writes verdict.json to the directory of a run that has ended. Raises StoreError."""
    with writing(path):
        write_json(path / VERDICT, document, mode=0o600)


def read_verdict(path: Path) -> Mapping[str, Any] | None:
    """What a reproduction found; None for a run that is none, and when it cannot be read."""
    return _document(path / VERDICT, "verdict")[0]


def _is_alive(path: Path) -> tuple[bool, str | None]:
    """Whether its process lives, and why that is not certain: one that cannot be looked at is not called dead."""
    try:
        return is_held(path / ALIVE), None
    except NotADirectoryError:
        return False, None
    except OSError as error:
        return True, f"whether its process lives cannot be told: {ALIVE}: {error.strerror or error}"


def _document(path: Path, kind: str) -> tuple[Mapping[str, Any] | None, str | None]:
    """A document, or why there is none; neither when the file is not there."""
    try:
        document = read_json(path)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, f"{path.name} cannot be read: {error.strerror or error}"
    except ValueError as error:
        return None, f"{path.name} is {'nested too deeply' if 'deep' in str(error) else _NO_JSON}"
    problem = _foreign(document, kind, path.parent.name)
    return (None, f"{path.name} {problem}") if problem else (document, None)


def _foreign(document: object, kind: str, run: str) -> str | None:
    """Why a JSON value is not that document of that run."""
    if not isinstance(document, dict) or document.get("document") != kind:
        return f"is not the {kind} document of a run"
    version = document.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        return f"has version {version!r}" + (": it takes a newer projrun to read it" if newer else "")
    if document.get("run") != run:
        return f"belongs to another run, {document.get('run')!r}"
    if kind == "outcome" and document.get("status") not in ENDED:
        return f"has no status that is known: {document.get('status')!r}"
    if kind == "labels" and not _are_labels(document):
        return "is damaged: a name and a note are text or null, tags are texts by name"
    return None


def _are_labels(document: Mapping[str, Any]) -> bool:
    tags = document.get("tags")
    texts = isinstance(tags, dict) and all(isinstance(value, str) for value in tags.values())
    return texts and all(document.get(key) is None or isinstance(document[key], str) for key in ("name", "note"))
