"""The engine for those who look at environments of all kinds: asked for when one of them is an image, and once."""

from __future__ import annotations

from pathlib import Path

from projrun.core.engine.client import Engine, connect
from projrun.core.errors import EngineFailure
from projrun.environment.docker import marker


class Asking:
    """An engine that is connected to when it is first needed. One that is not there is not asked again."""

    def __init__(self) -> None:
        self._found: Engine | EngineFailure | None = None

    def engine(self) -> Engine:
        """The engine. Raises EngineFailure."""
        if self._found is None:
            try:
                self._found = connect()
            except EngineFailure as failure:
                self._found = failure
        if isinstance(self._found, EngineFailure):
            raise self._found
        return self._found

    def reason(self, directory: Path, key: str) -> str | None:
        """Why the image of the environment in ``directory`` cannot be used, None when it can."""
        try:
            there = marker.look(directory, key, self.engine())
        except EngineFailure as failure:
            return failure.what
        return there if isinstance(there, str) else None
