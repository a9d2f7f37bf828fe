"""``metrics.files.jsonl``: the points of metrics files that are tables, copied before somebody changes those."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from projrun.core.files import create
from projrun.core.metrics.lines import Point
from projrun.store.metrics import FILES


class Copies:
    """Writes them; nothing is made when there are none. ``failure`` says why not all could be written, if so.

    ``redact`` is applied to names: they are the program's.
    """

    def __init__(self, run: Path, redact: Callable[[str], str]) -> None:
        self._path = run / FILES
        self._redact = redact
        self._names: dict[str, str] = {}
        self._file: BinaryIO | None = None
        self.failure = ""

    def __enter__(self) -> Copies:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._fail(error)

    def keep(self, point: Point) -> None:
        """Adds a point."""
        if self.failure:
            return
        name = self._names.get(point.name)
        if name is None:
            name = self._names[point.name] = json.dumps(self._redact(point.name))
        value = point.value if isinstance(point.value, str) else json.dumps(point.value)
        rest = "" if point.step is None else f', "step": {json.dumps(point.step)}'
        rest += "" if point.time is None else f', "time": {json.dumps(point.time)}'
        try:
            if self._file is None:
                self._file = create(self._path)
            self._file.write(f'{{"name": {name}, "value": {value}{rest}}}\n'.encode())
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = error.strerror or str(error)
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            if file is not None:
                file.close()
