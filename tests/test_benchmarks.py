"""The benchmarks can be run, and the page of speed says what their numbers say. Nothing here depends on time."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import bars, environment, page, results, store_generator
from tests.benchmarks.installed import PEERS, ROOT, Ground, Installed, digest_of_tree, install
from tests.benchmarks.results import Part, Row
from tests.benchmarks.timing import Contestant, LeftOut, interleaved, plain, run, variables

SPEED = ROOT / "docs" / "explanation"
NOTHING = Installed({}, {}, {"dvc": "there is no network"})


@pytest.mark.parametrize("name", command.KINDS)
def test_every_part_can_be_imported_and_has_its_title_and_its_peers(name: str) -> None:
    assert callable(importlib.import_module(f"tests.benchmarks.{name}").measure)
    assert set(page.TITLES) == set(command.KINDS)
    assert set(command.KINDS[name].peers) <= set(PEERS)


@pytest.mark.parametrize("name", ["within", "within_mlflow"])
def test_what_runs_in_another_environment_needs_nothing_of_the_tests(name: str) -> None:
    tree = ast.parse((ROOT / "tests" / "benchmarks" / f"{name}.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in imported if module and module.startswith("tests")]


def test_the_part_that_needs_no_peer_measures(tmp_path: Path) -> None:
    part = environment.measure(Ground(tmp_path, NOTHING, 2), files=200)
    assert {row.name: len(row.values) for row in part.rows} == {"lstat": 2, "look": 2, "thorough": 2}
    assert all(value >= 0 for row in part.rows for value in row.values)


def test_commands_take_turns_and_one_that_fails_is_left_out(tmp_path: Path) -> None:
    told = tmp_path / "told"

    def contestant(name: str, line: str, every: int = 1) -> Contestant:
        return Contestant(name, name, ["sh", "-c", line], tmp_path, variables(tmp_path / "home"), every=every)

    part = interleaved(
        [
            contestant("one", f"echo one >> {told}"),
            contestant("bad", f"echo error: not in {tmp_path}/here >&2; exit 3"),
            contestant("two", f"echo two >> {told}"),
            contestant("rare", f"echo rare >> {told}", every=2),
        ],
        3,
    )
    words = told.read_text().split()
    assert [sorted(words[start:end]) for start, end in ((0, 3), (3, 6), (6, 8), (8, 11))] == [
        ["one", "rare", "two"],
        ["one", "rare", "two"],
        ["one", "two"],
        ["one", "rare", "two"],
    ]
    assert {row.name: len(row.values) for row in part.rows} == {"one": 3, "two": 3, "rare": 2}
    assert part.left_out == {"bad": "sh ended with 3: error: not in (path)"}


def test_a_child_gets_an_empty_home_and_writes_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    told = run(["env"], tmp_path, variables(tmp_path / "home", [tmp_path / "bin"]))
    found = dict(line.split("=", 1) for line in told.output.splitlines())
    assert found["HOME"] == str(tmp_path / "home")
    assert found["PATH"].startswith(f"{tmp_path}/bin:")
    assert not {"PYTHONDONTWRITEBYTECODE", "GIT_DIR"} & set(found)


def test_the_memory_of_a_process_is_its_own(tmp_path: Path) -> None:
    waits = "import time; kept = bytearray(50_000_000); time.sleep(0.3)"
    assert run(["python3", "-c", waits], tmp_path, variables(tmp_path)).peak > 50_000_000
    inside = f"import subprocess; subprocess.run(['python3', '-c', {waits!r}])"
    assert run(["python3", "-c", inside], tmp_path, variables(tmp_path)).peak < 50_000_000


def test_a_peer_that_cannot_be_had_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LeftOut, match="no network"):
        NOTHING.program("dvc", "dvc")
    monkeypatch.setattr(
        "tests.benchmarks.installed.digest_of_tree", lambda: "0"
    )  # one that is there: no wheel is made
    ready = tmp_path / f"projrun-{sys.version_info[0]}.{sys.version_info[1]}-0"
    ready.mkdir()
    (ready / "benchmark.json").write_text(json.dumps({"projrun": "1", "uv": "1"}))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")  # the index of the tests refuses
    installed = install(tmp_path, ["sacred"])
    assert list(installed.programs) == ["projrun"]
    assert "sacred" in installed.missing
    assert not list(tmp_path.glob("sacred-*/benchmark.json"))


def test_the_digest_of_the_tree_is_of_what_the_wheel_is_made_of() -> None:
    assert re.fullmatch("[0-9a-f]{16}", digest_of_tree())
    assert digest_of_tree() == digest_of_tree()


def _warm(**seconds: float) -> Part:
    return Part(
        tuple(Row(name.replace("_", "-"), name, (value, value * 2, value)) for name, value in seconds.items())
    )


def test_bars_are_met_at_the_limit_and_missed_beyond_it() -> None:
    good = _warm(bare=0.025, projrun=0.125, dirty=0.18, sacred=0.25, mlflow_uv=3.5, help=0.1)
    assert [bar.met for bar in bars.bars({"warm": good})] == [True] * 5
    bad = _warm(bare=0.025, projrun=0.130, dirty=0.2, datalad=0.25, sacred=0.4, mlflow_uv=3.0, help=0.13)
    assert [bar.met for bar in bars.bars({"warm": bad})] == [False] * 5
    assert bars.bars({"warm": _warm(bare=0.025)}) == []


def test_a_rate_has_to_be_at_least_and_memory_at_most() -> None:
    rows = (Row("plain", "", (199.0,), "MB/s"), Row("plain-memory", "", (79.0,), "MB"))
    assert [bar.met for bar in bars.bars({"logs": Part(rows)})] == [False, True]


def test_numbers_survive_the_file(tmp_path: Path) -> None:
    part = Part(
        (Row("bare", "python main.py", results.rounded([0.0251239, 1234.56])),), {"dvc": "none"}, {"uv": "1"}
    )
    results.write(tmp_path / "speed.json", {"warm": part})
    assert results.read(tmp_path / "speed.json") == {"warm": part}
    assert part.rows[0].values == (0.025124, 1234.6)
    assert '"values": [0.025124, 1234.6],' in (tmp_path / "speed.json").read_text()


def test_what_is_only_true_here_is_not_told() -> None:
    assert plain("cannot open /home/me/x.py: see https://host.example/page") == (
        "cannot open (path): see (address)"
    )


def test_the_page_of_speed_says_what_the_numbers_say() -> None:
    parts = results.read(SPEED / "speed.json")
    text = (SPEED / "speed.md").read_text()
    assert page.replaced(text, parts) == text
    assert (SPEED / "speed.svg").read_text() == page.picture(parts)
    assert {"warm", "cold", "logs", "inprocess"} <= set(parts)


def test_the_numbers_name_no_place_and_no_server() -> None:
    whole = (SPEED / "speed.json").read_text() + (SPEED / "speed.svg").read_text().replace("http://www.w3.org", "")
    assert not re.findall(r"https?://\S+|(?<![\w.])/(?:home|root|tmp|usr|work|var)/\S*", whole)


def test_a_store_of_some_runs_is_a_store(tmp_path: Path) -> None:
    store_generator.generate(tmp_path / "store", 3)
    assert len(list((tmp_path / "store" / "runs").iterdir())) == 3
