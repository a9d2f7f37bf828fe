"""A store that somebody else made harms nobody who lists it."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from projrun.cli.main import main
from projrun.cli.visible import Visible
from projrun.store.store import Store
from tests.store.writing import whole_run

# Sets the title, clears the screen, writes right to left, begins a line, and more that no terminal should get.
EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\u2066\rnext\x9b31m\x00\u200b"
OUTSIDE = "what-is-outside-of-the-store"
# A view that never has an end.
ENDLESS = """
CREATE VIEW runs AS WITH RECURSIVE n(id) AS (SELECT 'a' UNION ALL SELECT id FROM n)
SELECT id, id AS started, id AS status, 1 AS duration, NULL AS root, id AS name, id AS entry_point, id AS project,
  id AS row FROM n
"""
SECONDS = 60  # after which a command counts as waiting for ever
SAFE = {chr(code) for code in (9, 10)}


def asked(store: Path, *words: str, terminal: bool = False) -> tuple[int, str]:
    """Types a command in a child; gives its exit code and all it printed. Fails when it does not end."""
    reading, writing = pty.openpty() if terminal else os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        os.chdir(store.parent)
        os.environ["PROJRUN_STORE"] = str(store)
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
        os.close(reading)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - until this process ends
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        sys.argv = ["projrun", *words]
        try:
            main()
        except SystemExit as done:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(done.code or 0))
        os._exit(0)
    os.close(writing)
    printed = b""
    while True:
        try:
            block = os.read(reading, 65536)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
        if not block:
            break
        printed += block
    os.close(reading)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code != -signal.SIGALRM, f"{words} never ended"
    assert b"defect of projrun" not in printed
    assert code >= 0
    return code, printed.decode("utf-8", "surrogateescape")


def listed(store: Path, run: str) -> Mapping[tuple[str, ...], str]:
    """What every command says that only looks."""
    ways: list[tuple[str, ...]] = [("runs", "--all"), ("runs", "--all", "--json"), ("runs", "--all", "--csv")]
    ways += [(verb, run) for verb in ("show", "logs", "outputs")]
    ways += [("show", run, "--json"), ("logs", run, "-t"), ("outputs", run, "--json"), ("diff", run, run)]
    ways += [("runs", "--all", "--sort", "name"), ("env", "list"), ("store", "rebuild")]
    return {words: asked(store, *words)[1] for words in ways}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Store(tmp_path / "store").prepare()
    return tmp_path / "store"


@pytest.fixture
def run(store: Path) -> Path:
    """The directory of a whole run with a log."""
    directory = store / "runs" / whole_run(Store(store))
    (directory / "output.index").write_text('[0, 1.0, "stdout"]\n')
    (directory / "output.log").write_text("a line\n")
    return directory


@pytest.fixture
def outside(tmp_path: Path, run: Path) -> Path:
    """A directory beside the store that looks like a run, with a file of which no byte may be seen."""
    place = tmp_path / "outside"
    place.mkdir()
    for name in ("start.json", "recipe.json", "outcome.json"):
        document = json.loads((run / name).read_bytes())
        text = json.dumps(document).replace("first try", OUTSIDE).replace('"n"', f'"{OUTSIDE}"')
        (place / name).write_text(text)
    (place / "output.log").write_text(OUTSIDE)
    (place / "verdict.json").write_text(json.dumps({"document": "verdict", "version": 1, "text": OUTSIDE}))
    return place


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def test_a_link_in_place_of_a_run_is_not_followed(store: Path, run: Path, outside: Path) -> None:
    (store / "runs" / "abcdefghjkmz").symlink_to(outside)
    told = listed(store, run.name)
    assert "abcdefghjkmz" in told["runs", "--all"]
    assert all(OUTSIDE not in text for text in told.values())
    code, text = asked(store, "show", "abcdefghjkmz")
    assert code == 2
    assert OUTSIDE not in text


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_no_document_is_read_that_is_no_file(store: Path, run: Path, outside: Path, kind: str) -> None:
    for name in (
        "start.json",
        "recipe.json",
        "outcome.json",
        "verdict.json",
        "output.log",
        "output.index",
        "alive",
    ):
        (run / name).unlink(missing_ok=True)
        if kind == "link":
            (run / name).symlink_to(outside / name)
        else:
            os.mkfifo(run / name)
    told = listed(store, run.name)
    assert all(OUTSIDE not in text for text in told.values())
    assert "it is a link and not a file" in told["show", run.name] or kind == "pipe"
    assert "it is a pipe and not a file" in told["show", run.name] or kind == "link"


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", ["store.json", "index.sqlite", "index.lock", "index.sqlite-wal"])
def test_nor_is_a_part_of_the_store_itself(store: Path, run: Path, outside: Path, kind: str, name: str) -> None:
    (outside / name).write_text("{}" if name == "store.json" else "")
    (store / name).unlink(missing_ok=True)
    before = mark(outside / name)
    if kind == "link":
        (store / name).symlink_to(outside / name)
    else:
        os.mkfifo(store / name)
    listed(store, run.name)
    assert mark(outside / name) == before


def mark(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mode, status.st_size, status.st_mtime_ns


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000_000)


@pytest.mark.parametrize(
    "spoil",
    [
        _huge,
        lambda path: path.write_text("[" * 1_000_000),
        lambda path: path.write_text('{"a":' * 50_000 + "1" + "}" * 50_000),
        lambda path: rewritten(path, lambda found: found.update(deep=json.loads("[" * 900 + "]" * 900))),
        lambda path: path.write_text("9" * 1_000_000),
        lambda path: path.write_bytes(b"\xff\xfe\x00" * 100),
    ],
)
def test_a_document_of_any_size_and_depth_is_told_of(
    store: Path, run: Path, spoil: Callable[[Path], None]
) -> None:
    for name in ("start.json", "recipe.json", "outcome.json"):
        spoil(run / name)
    told = listed(store, run.name)
    assert run.name in told["runs", "--all"]
    assert "incomplete" in told["show", run.name]


def _spoiled(value: Any) -> Any:
    if isinstance(value, str):
        return value if value in {"file", "uv", "docker"} else f"{value}{EVIL}"
    if isinstance(value, list):
        return [_spoiled(one) for one in value]
    if isinstance(value, dict):
        kept = ("document", "run", "sha256", "object", "status", "created", "kind")
        return {key: below if key in kept else _spoiled(below) for key, below in value.items()}
    return value


def test_nothing_that_a_terminal_would_obey_reaches_one(store: Path, run: Path) -> None:
    for name in ("start.json", "recipe.json", "outcome.json"):
        (run / name).write_text(json.dumps(_spoiled(json.loads((run / name).read_bytes()))))
    rewritten(run / "start.json", lambda found: found.update(name=EVIL, note=EVIL, tags={EVIL: EVIL}))
    (run / "output.log").write_bytes(EVIL.encode() + b"\x1b[31mred\x1b[0m\n\xff\xfe\n")
    for words in (("runs", "--all"), ("show", run.name), ("outputs", run.name), ("diff", run.name, run.name)):
        _, text = asked(store, *words, terminal=True)
        text = text.replace("\r\n", "\n")
        assert text
        assert {char for char in text if not char.isprintable()} <= SAFE, words
    for words in (("logs", run.name), ("logs", run.name, "-t")):
        _, text = asked(store, *words, terminal=True)
        assert "\x1b[31mred\x1b[0m" in text
        text = text.replace("\r\n", "\n").replace("\x1b[31m", "").replace("\x1b[0m", "")
        assert {char for char in text if not char.isprintable()} <= SAFE, words


def test_a_pipe_and_raw_get_the_bytes(store: Path, run: Path) -> None:
    data = EVIL.encode() + b"\x1b[31mred\x1b[0m\nplain\n"
    (run / "output.log").write_bytes(data)
    assert asked(store, "logs", run.name)[1].encode("utf-8", "surrogateescape") == data
    raw = asked(store, "logs", run.name, "--raw", terminal=True)[1]
    assert raw.encode("utf-8", "surrogateescape").replace(b"\r\n", b"\n") == data


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_is_shown_does_not_depend_on_where_the_log_was_cut(size: int) -> None:
    data = "ä\x1b[1;31mbold\x1b[0m 10%\r20%\r\ndone \x1b[2K\u202e!\n".encode() + b"\xc3"
    visible = Visible()
    parts = [visible.feed(data[at : at + size]) for at in range(0, len(data), size)]
    expected = "ä\x1b[1;31mbold\x1b[0m 10%\n20%\ndone \\x1b[2K\\u202e!\n\\xc3"
    assert b"".join([*parts, visible.feed(b"", final=True)]).decode() == expected


def test_names_that_lead_out_are_not_followed(store: Path, run: Path, outside: Path, tmp_path: Path) -> None:
    out = f"../../../../{outside.name}/output.log"

    def lead_out(found: dict[str, Any]) -> None:
        for one in (*found["outputs"], *found.get("inputs", ())):
            if isinstance(one, dict):
                one.update(path=out, object=None, kind="file")

    rewritten(run / "outcome.json", lead_out)
    (run / "outputs").mkdir()
    target = tmp_path / "target"
    assert all(OUTSIDE not in text for text in listed(store, run.name).values())
    for words in (("outputs", run.name, "--get", out, "-o", str(target)), ("restore", run.name, str(target))):
        asked(store, *words)
    asked(store, "restore", run.name, str(target), "--outputs")
    written = [path for path in target.rglob("*") if path.is_file()] if target.exists() else []
    assert all(OUTSIDE not in path.read_text() for path in written)


@pytest.mark.parametrize("digest", ["../../outside/output.log", "..", "ab/../../x", "a" * 64])
def test_an_object_is_named_by_its_digest_or_not_at_all(
    store: Path, run: Path, outside: Path, digest: str
) -> None:
    place = store / "objects" / "aa"
    place.mkdir(parents=True)
    (place / ("a" * 62)).symlink_to(outside / "output.log")
    rewritten(run / "outcome.json", lambda found: [one.update(object=digest) for one in found["outputs"]])
    told = listed(store, run.name)
    assert all(OUTSIDE not in text for text in told.values())
    name = json.loads((run / "outcome.json").read_bytes())["outputs"][0]["path"]
    assert asked(store, "outputs", run.name, "--get", name)[0] != 0
    assert not (store.parent / name).exists()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
        "DROP TABLE runs; " + ENDLESS,
    ],
)
def test_an_index_with_a_life_of_its_own_is_made_anew(store: Path, run: Path, statement: str) -> None:
    assert run.name in asked(store, "runs", "--all")[1]
    with sqlite3.connect(store / "index.sqlite") as connection:
        connection.executescript(statement)
    connection.close()
    another = whole_run(Store(store))
    text = asked(store, "runs", "--all")[1]
    assert run.name in text
    assert another in text
