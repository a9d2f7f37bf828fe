"""The progress of a build as plain lines, from what an engine streams while it builds.

BuildKit's messages are StatusResponse of api/services/control/control.proto in moby/buildkit; the classic builder
and Podman stream their output and the states of layers that are pulled.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from projrun.core.engine import wire
from projrun.core.values import Struct, field

Say = Callable[[bytes], object]

TAIL = 12  # lines of a step's output that an error shows
_LONGEST_SHOWN = 1000  # characters of each
_LONGEST_LINE = 1 << 20
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_STDERR = ("\x1b[91m", "\x1b[0m")  # around what a program wrote there, by the classic builder
_OF_CLASSIC = re.compile(r" ---> |Removing intermediate container [0-9a-f]+$|--> [0-9a-f]+$")
_CLASSIC_STEP = re.compile(r"(?:\[\d+/\d+\] )?(?:Step|STEP) (\d+/\d+) ?: (.+)")


class Vertex(Struct, frozen=True):
    """One step. Times are in seconds since the epoch, None for what has not come."""

    digest: str
    name: str
    started: float | None = None
    completed: float | None = None
    cached: bool = False
    error: str = ""


class Status(Struct, frozen=True):
    """How far a part of a step is, such as a layer that is pulled; ``total`` is 0 when nobody knows."""

    id: str
    vertex: str
    current: int = 0
    total: int = 0
    completed: float | None = None


class Progress(Struct, frozen=True):
    """One message. ``logs`` are output: the digest of its step, the stream (1 or 2), and what came there.

    ``warnings`` are those of the builder, by the digest of a step.
    """

    vertexes: tuple[Vertex, ...] = ()
    statuses: tuple[Status, ...] = ()
    logs: tuple[tuple[str, int, bytes], ...] = ()
    warnings: tuple[tuple[str, bytes], ...] = ()


def read(data: bytes) -> Progress:
    """A message of BuildKit. Raises wire.BrokenMessage."""
    parts: dict[int, list[_Fields]] = {1: [], 2: [], 3: [], 4: []}
    for number, value in wire.decode(data):
        if number in parts and isinstance(value, bytes):
            parts[number].append(_Fields(value))
    return Progress(
        tuple(
            Vertex(one.text(1), one.text(3), one.time(5), one.time(6), bool(one.number(4)), one.text(7))
            for one in parts[1]
        ),
        tuple(Status(one.text(1), one.text(2), one.number(4), one.number(5), one.time(8)) for one in parts[2]),
        tuple((one.text(1), one.number(3), one.content(4)) for one in parts[3]),
        tuple((one.text(1), one.content(3)) for one in parts[4]),
    )


class _Fields:
    """The fields of a message, the last of each number; what is not there is zero or empty."""

    def __init__(self, data: bytes) -> None:
        self._values = dict(wire.decode(data))

    def content(self, number: int) -> bytes:
        value = self._values.get(number, b"")
        return value if isinstance(value, bytes) else b""

    def text(self, number: int) -> str:
        return self.content(number).decode(errors="replace")

    def number(self, number: int) -> int:
        value = self._values.get(number, 0)
        return wire.signed(value) if isinstance(value, int) else 0

    def time(self, number: int) -> float | None:
        """A google.protobuf.Timestamp."""
        if number not in self._values:
            return None
        stamp = _Fields(self.content(number))
        return stamp.number(1) + stamp.number(2) / 1e9


class _Step(Struct):
    """What is known of a step that was told of."""

    number: int
    name: str = ""
    started: float | None = None
    completed: float | None = None
    lines: dict[int, bytes] = field(default_factory=dict)  # that have no end yet, by stream
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))


class BuildKitLines:
    """BuildKit's messages as lines: ``#3 [2/4] RUN make``, its output, and ``#3 DONE 1.2s``, CACHED or ERROR.

    Bytes that are pulled make one line when they are there. ``mask`` is laid over every line of output.
    """

    def __init__(self, say: Say, mask: Callable[[bytes], bytes]) -> None:
        self._say = say
        self._mask = mask
        self._steps: dict[str, _Step] = {}
        self._told: set[tuple[str, str]] = set()
        self.failed: Vertex | None = None

    @property
    def tail(self) -> list[str]:
        """The last lines of the step that failed."""
        return list(self._steps[self.failed.digest].tail) if self.failed else []

    def take(self, data: bytes) -> None:
        """Tells what is new in a message; one that is broken is left out."""
        try:
            progress = read(data)
        except wire.BrokenMessage:
            return
        for vertex in progress.vertexes:
            self._begun(vertex)
        for status in progress.statuses:
            self._arrived(status)
        for digest, stream, output in progress.logs:
            self._output(self._step(digest), stream, output)
        for digest, warning in progress.warnings:
            self._line(self._step(digest), b"WARNING: " + self._mask(b" ".join(warning.split())))
        for vertex in progress.vertexes:
            self._ended(vertex)

    def _step(self, digest: str) -> _Step:
        return self._steps.setdefault(digest, _Step(len(self._steps) + 1))

    def _line(self, step: _Step, text: bytes) -> None:
        self._say(b"#%d %s\n" % (step.number, text))

    def _begun(self, vertex: Vertex) -> None:
        if vertex.started is None and not vertex.cached:
            return
        step = self._step(vertex.digest)
        if not step.name or (vertex.started != step.started and step.completed is not None):
            self._line(step, " ".join(vertex.name.split()).encode())
            step.completed = None
        step.name, step.started = vertex.name, vertex.started

    def _arrived(self, status: Status) -> None:
        key = (status.vertex, status.id)
        if status.completed is None or key in self._told or not status.current:
            return
        self._told.add(key)
        self._line(self._step(status.vertex), f"{status.id} {_size(status.total or status.current)}".encode())

    def _output(self, step: _Step, stream: int, data: bytes) -> None:
        *lines, left = (step.lines.pop(stream, b"") + data).split(b"\n")
        for line in lines:
            self._tell(step, line)
        if len(left) > _LONGEST_LINE:
            self._tell(step, left)
        elif left:
            step.lines[stream] = left

    def _tell(self, step: _Step, line: bytes) -> None:
        shown = self._mask(line.rstrip(b"\r"))
        step.tail.append(shown[:_LONGEST_SHOWN].decode(errors="replace"))
        self._line(step, shown)

    def _ended(self, vertex: Vertex) -> None:
        if vertex.completed is None:
            return
        step = self._step(vertex.digest)
        if vertex.completed == step.completed:
            return
        for stream in sorted(step.lines):
            self._tell(step, step.lines.pop(stream))
        step.completed = vertex.completed
        if vertex.error:
            self.failed = vertex
            self._line(step, b"ERROR: " + self._mask(vertex.error.encode()))
        elif vertex.cached:
            self._line(step, b"CACHED")
        else:
            seconds = max(0.0, vertex.completed - (vertex.started or vertex.completed))
            self._line(step, f"DONE {seconds:.1f}s".encode())


class ClassicLines:
    """The output of the classic builder, and of Podman, as it is; layers that are pulled by their states."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._states: dict[str, str] = {}
        self._text = ""
        self.step = ""
        self.tail: deque[str] = deque(maxlen=TAIL)

    def take(self, message: Mapping[str, Any]) -> None:
        """Tells what is new in a message."""
        if isinstance(output := message.get("stream"), str):
            for colour in _STDERR:
                output = output.replace(colour, "")
            self._say(output.encode("utf-8", "replace"))
            self._keep(output)
        elif isinstance(state := message.get("status"), str):
            self._state(str(message.get("id") or ""), state)

    def _state(self, layer: str, state: str) -> None:
        if layer and self._states.get(layer) == state:
            return
        self._states[layer] = state
        self._say((f"{layer}: {state}\n" if layer else f"{state}\n").encode("utf-8", "replace"))

    def _keep(self, output: str) -> None:
        *lines, self._text = (self._text + output).split("\n")
        self._text = self._text[-_LONGEST_LINE:]
        for coloured in lines:
            line = _COLOUR.sub("", coloured[:_LONGEST_SHOWN]).rstrip()
            if found := _CLASSIC_STEP.match(line):
                self.step = f"[{found[1]}] {found[2]}"
                self.tail.clear()
            elif line and not _OF_CLASSIC.match(line):
                self.tail.append(line)


def _size(count: int) -> str:
    amount, units = float(count), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while amount >= 1000 and unit != "GB":
        amount, unit = amount / 1000, next(units)
    return f"{amount:.0f}{unit}" if unit == "B" else f"{amount:.2f}{unit}"


def messages(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a stream of JSON messages, one each."""
    left = b""
    for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())
    if left.strip():
        yield left
