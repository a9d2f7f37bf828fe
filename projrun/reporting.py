"""What a program with secrets measures, copied to its record without them while it runs.

So the record of a run whose process is killed has all but the last moment of it, and no secret.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from projrun.core.files import create
from projrun.core.metrics.lines import BLOCK, open_regular
from projrun.recipe.redaction import Redactor

_EVERY_SECONDS = 0.2
_STREAM = "metrics"


@contextlib.contextmanager
def copied(source: Path, target: Path, secrets: Iterable[str]) -> Iterator[None]:
    """Copies what a file holds, and what is appended to it, for the block."""
    copy, over = _Copy(source, target, Redactor(secrets)), threading.Event()

    def work() -> None:
        while not over.wait(_EVERY_SECONDS):
            copy.look()
        copy.look()

    thread = threading.Thread(target=work, name="projrun-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        copy.close()


class _Copy:
    def __init__(self, source: Path, target: Path, redactor: Redactor) -> None:
        self._source, self._target = source, target
        self._redactor = redactor
        self._of: tuple[int, int] | None = None
        self._at = 0
        self._file: BinaryIO | None = None
        self._failed = False

    def look(self) -> None:
        """Copies what came. What cannot be read may be later; what cannot be written the end tells."""
        if self._failed:
            return
        with contextlib.suppress(OSError), open_regular(self._source) as file:
            try:
                self._go_on(file)
            except OSError:
                self._failed = True

    def close(self) -> None:
        """Lets go of the files."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def _go_on(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        if self._file is None:
            self._file = create(self._target)
        of = status.st_dev, status.st_ino
        if self._of not in (None, of) or status.st_size < self._at:  # the program began anew
            self._file.truncate(0)
            self._file.seek(0)
            self._redactor.flush(_STREAM)
            self._at = 0
        self._of = of
        file.seek(self._at)
        while data := file.read(BLOCK):
            self._at += len(data)
            self._file.write(self._redactor.feed(_STREAM, data))
        self._file.flush()
