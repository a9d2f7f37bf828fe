"""Progress as lines: of BuildKit's messages, of the classic builder's, and of bytes that are neither."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from projrun.core.engine import trace, wire

TEXTS = st.text(max_size=20)
TIMES = st.none() | st.integers(0, 1 << 33).map(float)
VERTEXES = st.builds(trace.Vertex, TEXTS, TEXTS, TIMES, TIMES, st.booleans(), TEXTS)
STATUSES = st.builds(
    trace.Status, TEXTS, TEXTS, st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 1 << 62), TIMES
)
OUTPUT = st.tuples(TEXTS, st.binary(max_size=40))


def _timestamp(number: int, time: float | None) -> list[tuple[int, bytes]]:
    if time is None:
        return []
    return [(number, wire.encode([(1, int(time)), (2, round(time % 1 * 1e9))]))]


def vertex(one: trace.Vertex) -> bytes:
    times = [*_timestamp(5, one.started), *_timestamp(6, one.completed)]
    return wire.encode([(1, one.digest), (3, one.name), (4, int(one.cached)), *times, (7, one.error)])


def status(one: trace.Status) -> bytes:
    fields: list[tuple[int, int | str | bytes]] = [(1, one.id), (2, one.vertex), (4, one.current), (5, one.total)]
    return wire.encode([*fields, *_timestamp(8, one.completed)])


def message(progress: trace.Progress) -> bytes:
    """What BuildKit would send."""
    return wire.encode(
        [
            *((1, vertex(one)) for one in progress.vertexes),
            *((2, status(one)) for one in progress.statuses),
            *((3, wire.encode([(1, digest), (3, stream), (4, data)])) for digest, stream, data in progress.logs),
            *((4, wire.encode([(1, digest), (2, 1), (3, data)])) for digest, data in progress.warnings),
        ]
    )


def lines(*progress: trace.Progress) -> tuple[list[str], trace.BuildKitLines]:
    said: list[bytes] = []
    shown = trace.BuildKitLines(said.append, lambda line: line.replace(b"secret", b"***"))
    for one in progress:
        shown.take(message(one))
    return b"".join(said).decode(errors="replace").splitlines(), shown


@given(
    st.builds(
        trace.Progress,
        st.lists(VERTEXES, max_size=4).map(tuple),
        st.lists(STATUSES, max_size=4).map(tuple),
        st.lists(st.tuples(TEXTS, st.integers(1, 2), st.binary(max_size=40)), max_size=4).map(tuple),
        st.lists(OUTPUT, max_size=4).map(tuple),
    )
)
def test_a_message_is_read_as_it_was_written(progress: trace.Progress) -> None:
    assert trace.read(message(progress)) == progress
    lines(progress)


@given(st.binary())
def test_broken_bytes_are_left_out(data: bytes) -> None:
    trace.BuildKitLines(lambda line: None, lambda line: line).take(data)
    # And inside a message that is whole.
    for number in range(1, 5):
        trace.BuildKitLines(lambda line: None, lambda line: line).take(wire.encode([(number, data)]))


def test_steps_are_numbered_in_the_order_they_begin() -> None:
    run, base = trace.Vertex("r", "[2/2] RUN make"), trace.Vertex("b", "[1/2] FROM base")
    said, shown = lines(
        trace.Progress((run, base)),
        trace.Progress((trace.Vertex("b", base.name, 5.0, 5.0, cached=True),)),
        trace.Progress((trace.Vertex("r", run.name, 6.0),), logs=(("r", 1, b"one\r\ntw"), ("r", 2, b"oops\n"))),
        trace.Progress(logs=(("r", 1, b"o\nthe secret is out"),), warnings=(("r", b"old"),)),
        trace.Progress((trace.Vertex("r", run.name, 6.0, 7.25, error="exit code: 2"),)),
    )
    assert said == [
        "#1 [1/2] FROM base",
        "#1 CACHED",
        "#2 [2/2] RUN make",
        "#2 one",
        "#2 oops",
        "#2 two",
        "#2 WARNING: old",
        "#2 the *** is out",
        "#2 ERROR: exit code: 2",
    ]
    assert shown.failed
    assert shown.failed.name == "[2/2] RUN make"
    assert shown.tail == ["one", "oops", "two", "the *** is out"]


def test_what_is_told_again_is_told_once() -> None:
    done = trace.Progress((trace.Vertex("r", "RUN make", 6.0, 7.25),))
    assert lines(done, done)[0] == ["#1 RUN make", "#1 DONE 1.2s"]


def test_pulled_bytes_make_one_line_when_they_are_there() -> None:
    pulling = [
        trace.Progress(statuses=(trace.Status("sha256:ab", "p", count, 3_000_000),))
        for count in range(0, 3_000_000, 100_000)
    ]
    there = trace.Progress(statuses=(trace.Status("sha256:ab", "p", 3_000_000, 3_000_000, 9.0),))
    said, _ = lines(trace.Progress((trace.Vertex("p", "FROM far", 1.0),)), *pulling, there, there)
    assert said == ["#1 FROM far", "#1 sha256:ab 3.00MB"]


def test_output_without_an_end_is_not_held_for_ever() -> None:
    said, shown = lines(*[trace.Progress(logs=(("r", 1, bytes(1 << 18)),)) for _ in range(20)])
    assert len(said) == 4
    assert shown.tail == []


def test_the_classic_builders_output_is_shown_as_it_is_and_layers_by_their_states() -> None:
    said: list[bytes] = []
    shown = trace.ClassicLines(said.append)
    pulling = {"status": "Downloading", "id": "ab", "progressDetail": {"current": 1}, "progress": "[=> ]"}
    for one in (
        {"stream": "Step 1/2 : FROM far\n"},
        {"status": "Pulling from far", "id": "1"},
        pulling,
        pulling,
        {"status": "Pull complete", "id": "ab"},
        {"stream": "Step 2/2 : RUN make\n"},
        {"stream": "\x1b[91mit \x1b[0mfails\n"},
        {"stream": 7},
    ):
        shown.take(one)
    assert b"".join(said).decode().splitlines() == [
        "Step 1/2 : FROM far",
        "1: Pulling from far",
        "ab: Downloading",
        "ab: Pull complete",
        "Step 2/2 : RUN make",
        "it fails",
    ]
    assert (shown.step, list(shown.tail)) == ("[2/2] RUN make", ["it fails"])


@given(st.lists(st.binary(max_size=30)))
def test_a_stream_of_messages_is_cut_at_its_lines(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    assert list(trace.messages(iter(parts))) == [line for line in whole.split(b"\n") if line.strip()]
