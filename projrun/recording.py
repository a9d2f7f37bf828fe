"""What a run tells, while it runs: to the log and to the screen at once, without its secrets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from projrun.core.errors import ProjrunError, StoreError
from projrun.core.report import OURS, Reporter
from projrun.placing import Naming
from projrun.recipe.likeness import Watch
from projrun.recipe.model import Phase
from projrun.recipe.redaction import Redactions, Redactor, redacted, redactions
from projrun.store.log import RunLog

_FILE = "a file"  # no stream is called so


class Recording:
    """A reporter that writes the run's log, shows the same on a screen, and remembers the phases.

    Secrets are replaced before either sees them. ``naming`` is applied to every text of projrun's own, and to
    no output of a program. ``terminals`` are the streams that the program finds to be terminals.
    """

    def __init__(
        self,
        directory: Path,
        screen: Reporter,
        *,
        secrets: Iterable[str],
        terminals: tuple[str, ...],
        naming: Naming,
    ) -> None:
        self._screen = screen
        self._naming = naming
        known = tuple(one for one in secrets if one)
        self._redactor = Redactor(known)
        self._redactions = redactions(known)
        self._watch = Watch()
        self.terminals = terminals
        self._log = RunLog(directory, terminals=terminals)
        self._streams: set[str] = set()
        self._phases: list[Phase] = []
        self._current: tuple[str, float, float] | None = None  # name, time, monotonic time

    def __enter__(self) -> Recording:
        self._log.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        except StoreError:
            if error is None:
                raise  # else the log failed before, and that has been told
        finally:
            self._log.close()

    @property
    def current(self) -> str | None:
        """The phase that is under way."""
        return self._current[0] if self._current else None

    def begin(self, name: str) -> None:
        """Notes that a phase begins; the one before it ends. Nothing is printed."""
        if self.current != name:
            self._phases += self._so_far()
            self._current = (name, time.time(), time.monotonic())

    def phase(self, name: str, text: str) -> None:
        """Notes that a phase begins or goes on; one line in the log and on the screen."""
        self.begin(name)
        text = self.text(text)
        self.note(f"{name}: {text}")
        self._screen.phase(name, text)

    def note(self, text: str) -> None:
        """Writes one line to the log and to no screen."""
        self._log.write(OURS, f"projrun: {self.text(text)}\n".encode(errors="backslashreplace"))

    def write(self, stream: str, data: bytes) -> None:
        """Output of a builder or of the program."""
        self._streams.add(stream)
        self._pass_on(stream, self._redactor.feed(stream, data))

    def masked(self, blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """A program's file block by block, each with what it is without secrets (which may lag behind)."""
        self._redactor.flush(_FILE)  # what is left of a file that was not read to its end
        for data in blocks:
            yield data, self._redactor.feed(_FILE, data)
        if rest := self._redactor.flush(_FILE):
            yield b"", rest

    def flush(self) -> None:
        """Lets out what the redactor held back at the end of a stream."""
        for stream in sorted(self._streams):
            self._pass_on(stream, self._redactor.flush(stream))

    def text(self, text: str) -> str:
        """``text`` as it may be told and recorded: without secrets, and with no file of a private checkout."""
        return self._redactor.text(self._naming.text(text))

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A document as it may be kept: as :meth:`text`, in all of its texts."""
        ways = Redactions(*(self._named(redact) for redact in self._redactions))
        return redacted(document, ways)

    def conceal(self, error: ProjrunError) -> None:
        """Takes the secrets out of an error that is going to be told."""
        error.what, error.why, error.hint = self.text(error.what), self.text(error.why), self.text(error.hint)
        error.args = (error.what,)

    def seen(self) -> tuple[tuple[str, str, int], ...]:
        """What in the output looks like a secret that nobody declared: what, of which stream, in which line."""
        return self._watch.found()

    def phases(self) -> tuple[Phase, ...]:
        """All phases so far, the one under way up to now."""
        return (*self._phases, *self._so_far())

    def _named(self, redact: Callable[[str], str]) -> Callable[[str], str]:
        return lambda text: redact(self._naming.text(text))

    def _so_far(self) -> tuple[Phase, ...]:
        if self._current is None:
            return ()
        name, started, began = self._current
        return (Phase(name, started, time.monotonic() - began),)

    def _pass_on(self, stream: str, data: bytes) -> None:
        if data:
            self._watch.look(stream, data)
            self._log.write(stream, data)
            self._screen.write(stream, data)
