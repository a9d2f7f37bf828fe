"""How a stage tells what it does: phases, and bytes of a stream. Printing and recording are somebody else's."""

from __future__ import annotations

from typing import Protocol

# The streams of a run's log: our own lines, a builder's output, and the program's two.
OURS, BUILD, STDOUT, STDERR = "projrun", "build", "stdout", "stderr"
# What git says while it fetches: a terminal sees how far it is, a log gets all of it as our own lines.
FETCH = "fetch"


class Reporter(Protocol):
    """Takes what a stage has to tell, as it happens."""

    def phase(self, name: str, text: str) -> None:
        """A phase (``source``, ``data``, ``environment``, ``run``, ...) begins, or goes on to ``text``."""

    def write(self, stream: str, data: bytes) -> None:
        """Output of one of the streams above, in pieces of any size; of ``FETCH``, whole lines."""


class Silent:
    """A reporter that tells nobody."""

    def phase(self, name: str, text: str) -> None:
        pass

    def write(self, stream: str, data: bytes) -> None:
        pass
