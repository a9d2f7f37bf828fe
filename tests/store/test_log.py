"""The log of a run tells streams and times apart, and loses nothing that was shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import StoreError
from projrun.store import log
from projrun.store.log import Line, Piece, RunLog


def written(directory: Path) -> bytes:
    return (directory / "output.log").read_bytes()


def by_stream(directory: Path) -> list[tuple[str, bytes]]:
    """The log with neighbouring pieces of one stream put together."""
    grouped = groupby(log.read(directory), key=lambda piece: piece.stream)
    return [(stream, b"".join(piece.data for piece in pieces)) for stream, pieces in grouped]


def test_bytes_are_kept_in_the_order_of_arrival(tmp_path: Path) -> None:
    with RunLog(tmp_path) as run_log:
        run_log.write("build", b"building\r 50%\r100%\n")
        run_log.write("stdout", b"\x00\xff no newline")
        run_log.write("stderr", b"warning\n")
        run_log.write("stdout", b"")
        run_log.write("stdout", b"end")
    assert written(tmp_path) == b"building\r 50%\r100%\n\x00\xff no newlinewarning\nend"
    assert by_stream(tmp_path) == [
        ("build", b"building\r 50%\r100%\n"),
        ("stdout", b"\x00\xff no newline"),
        ("stderr", b"warning\n"),
        ("stdout", b"end"),
    ]


def test_times_are_those_of_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.005, 100.02, 99.0])
    monkeypatch.setattr("projrun.store.log.time.time", lambda: next(clock))
    with RunLog(tmp_path) as run_log:
        for data in (b"a", b"b", b"c", b"d"):
            run_log.write("stdout", data)
    monkeypatch.undo()
    assert list(log.read(tmp_path)) == [
        Piece(100.0, "stdout", b"ab"),
        Piece(100.02, "stdout", b"c"),
        Piece(99.0, "stdout", b"d"),
    ]


def test_every_write_is_in_the_file_when_it_returns(tmp_path: Path) -> None:
    with RunLog(tmp_path, terminals=("stderr",)) as run_log:
        run_log.write("stdout", b"half a line")
        assert written(tmp_path) == b"half a line"
        run_log.write("stderr", b"whole\n")
        assert written(tmp_path) == b"half a linewhole\n"


@pytest.mark.parametrize(
    ("drawn", "kept"),
    [
        (b"\r  0%\r 50%\r100%\n", b"100%\n"),
        (b"0%\r50%\r100%\r\n", b"100%\r\n"),
        (b"0%\r50%\r100%\r\r\n", b"100%\r\r\n"),
        (b"0%\r50%\r", b"50%\r"),
        (b"line\r\nnext\r\n", b"line\r\nnext\r\n"),
        (b"plain\ntext", b"plain\ntext"),
        (b"\x1b[2K\r\x1b[1A\x1b[2Kdone\n", b"\x1b[1A\x1b[2Kdone\n"),
        (b"a\rb\nc\rd\n", b"b\nd\n"),
    ],
)
def test_a_terminal_keeps_what_was_last_drawn_however_it_is_cut(tmp_path: Path, drawn: bytes, kept: bytes) -> None:
    for cut in range(len(drawn)):
        directory = tmp_path / str(cut)
        directory.mkdir()
        with RunLog(directory, terminals=("stdout",)) as run_log:
            run_log.write("stdout", drawn[:cut])
            run_log.write("stdout", drawn[cut:])
        assert written(directory) == kept


@given(st.lists(st.text("ab\r\n", max_size=6)))
def test_any_cut_of_a_terminal_s_output_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    directory = tmp_path_factory.mktemp("run")
    with RunLog(directory, terminals=("stdout",)) as run_log:
        for piece in pieces:
            run_log.write("stdout", piece.encode())
    drawn_over = re.compile(rb"[^\r\n]*\r+(?=[^\r\n])")
    assert written(directory) == drawn_over.sub(b"", "".join(pieces).encode())


def test_progress_does_not_cut_the_lines_of_another_stream(tmp_path: Path) -> None:
    with RunLog(tmp_path, terminals=("stdout", "stderr")) as run_log:
        run_log.write("stderr", b"\r10%")
        run_log.write("stdout", b"epoch 1\n")
        run_log.write("stderr", b"\r20%")
        run_log.write("stdout", b"name? ")
        run_log.write("stderr", b"\r30%")
        assert written(tmp_path) == b"epoch 1\nname? "
    assert written(tmp_path) == b"epoch 1\nname? 30%"
    assert by_stream(tmp_path)[-1] == ("stderr", b"30%")


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    with RunLog(tmp_path, terminals=("stdout",)) as run_log:
        for _ in range(100):
            run_log.write("stdout", b"x" * 10_000)
        assert len(written(tmp_path)) > 900_000
    assert written(tmp_path) == b"x" * 1_000_000


def test_a_log_that_was_killed_half_way_through_a_mark_is_read(tmp_path: Path) -> None:
    with RunLog(tmp_path) as run_log:
        run_log.write("stdout", b"first\n")
        run_log.write("stderr", b"second\n")
        run_log.write("stdout", b"third\n")
    index = tmp_path / "output.index"
    index.write_bytes(index.read_bytes()[:-4])
    assert by_stream(tmp_path) == [("stdout", b"first\n"), ("stderr", b"second\nthird\n")]


@pytest.mark.parametrize("index", [b"", b"[0", b"\xff\n{}\n[1]\n7\n[5, 1.0, 3]\n", b"\0" * 100])
def test_a_lost_index_costs_only_streams_and_times(tmp_path: Path, index: bytes) -> None:
    (tmp_path / "output.log").write_bytes(b"some output")
    assert list(log.read(tmp_path)) == [Piece(None, "", b"some output")]
    (tmp_path / "output.index").write_bytes(index)
    assert list(log.read(tmp_path)) == [Piece(None, "", b"some output")]


def test_marks_that_lead_backwards_or_beyond_the_log_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(b"some output")
    marks = [[0, 1.0, "stdout"], [5, 2.0, "stderr"], [2, 3.0, "stdout"], [900, 4.0, "stdout"]]
    (tmp_path / "output.index").write_text("".join(json.dumps(mark) + "\n" for mark in marks))
    assert list(log.read(tmp_path)) == [Piece(1.0, "stdout", b"some "), Piece(2.0, "stderr", b"output")]


def test_no_log_is_an_empty_log(tmp_path: Path) -> None:
    assert list(log.read(tmp_path)) == []


def test_a_log_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        RunLog(tmp_path / "missing")
    assert str(tmp_path / "missing") in raised.value.what
    assert raised.value.why == "No such file or directory"
    assert "--store" in raised.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_once_and_not_again_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "output.log").symlink_to("/dev/full")
    run_log = RunLog(tmp_path, terminals=("stderr",))
    run_log.write("stderr", b"held")
    with pytest.raises(StoreError, match="log of the run cannot be written"):
        run_log.write("stdout", b"data\n")
    run_log.close()
    run_log.close()


def test_a_follower_gets_what_comes_and_stops_with_the_run(tmp_path: Path) -> None:
    told = threading.Event()
    received = b""

    def write() -> None:
        with RunLog(tmp_path) as run_log:
            run_log.write("stdout", b"first\n")
            told.wait(30)
            run_log.write("stderr", b"second\n")

    writer = threading.Thread(target=write)
    followed = []
    pieces = log.follow(tmp_path, writer.is_alive)
    writer.start()
    for piece in pieces:
        followed.append((piece.stream, piece.data))
        received += piece.data
        if received == b"first\n":
            told.set()
    writer.join()
    assert followed == [("stdout", b"first\n"), ("stderr", b"second\n")]


def test_lines_are_put_together_for_each_stream() -> None:
    pieces = [
        Piece(1.0, "stdout", b"one\ntw"),
        Piece(2.0, "stderr", b"warn"),
        Piece(3.0, "stdout", b"o\r"),
        Piece(4.0, "stdout", b"\n\n"),
        Piece(5.0, "stderr", b"ing\r\n"),
        Piece(6.0, "stdout", b"rest"),
    ]
    assert list(log.lines(pieces)) == [
        Line(1.0, "stdout", b"one"),
        Line(1.0, "stdout", b"two"),
        Line(4.0, "stdout", b""),
        Line(2.0, "stderr", b"warning"),
        Line(6.0, "stdout", b"rest"),
    ]


def test_a_line_without_end_is_given_in_parts() -> None:
    parts = list(log.lines(Piece(1.0, "stdout", b"x" * 30_000) for _ in range(10)))
    assert b"".join(part.data for part in parts) == b"x" * 300_000
    assert max(len(part.data) for part in parts) <= 100_000


streams = st.sampled_from(["stdout", "stderr", "build"])


@given(st.lists(st.tuples(streams, st.binary(max_size=20))))
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[str, bytes]]
) -> None:
    directory = tmp_path_factory.mktemp("run")
    with RunLog(directory) as run_log:
        for stream, data in writes:
            run_log.write(stream, data)
    expected = [
        (stream, b"".join(data for _, data in group))
        for stream, group in groupby([write for write in writes if write[1]], key=lambda write: write[0])
    ]
    assert by_stream(directory) == expected


def test_a_killed_writer_leaves_all_it_wrote(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from projrun.store.log import RunLog\n"
        "run_log = RunLog(Path(sys.argv[1]))\n"
        "run_log.write('stdout', b'before the end')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(log.__file__).parents[2], check=False)
    assert by_stream(tmp_path) == [("stdout", b"before the end")]


def test_a_log_is_read_piece_by_piece(tmp_path: Path) -> None:
    with (tmp_path / "output.log").open("wb") as file:
        os.truncate(file.fileno(), 50_000_000)
    sizes = [len(piece.data) for piece in log.read(tmp_path)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 256 * 1024
