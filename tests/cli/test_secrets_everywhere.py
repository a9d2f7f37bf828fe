"""After a run that tells all its secrets in every way, no byte of what is left tells one."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from projrun.core.values import Struct
from tests.cli.conftest import LOCKED, Done, Workspace

ROOT = Path(__file__).parents[2]

TOKEN = "s3cr3t-tok'en/é+1"
KEY = "first line of the key\nsecond line of the key"
PIN = "9071-parameter"
INDEX = "idx-pa55:wörd"
DATABASE = "db/p@ss/word-7"
SECRETS = {"TOKEN": TOKEN, "PEM": KEY, "PROJRUN_SECRET_PIN": PIN}

PROGRAM = """\
import base64, json, os, sys
from urllib.parse import quote
token, key, pin = os.environ["TOKEN"], os.environ["PEM"], sys.argv[1]
login = os.environ["DATABASE_URL"]
assert pin == json.load(open(sys.argv[2]))["pin"]
for text in (token, key, pin, login, os.environ["INDEX"]):
    print(text, repr(text), ascii(text), json.dumps(text), quote(text), quote(text, safe=""), text.encode())
    print("Basic", base64.b64encode(f"user:{text}".encode()).decode(), text.encode().hex(), flush=True)
    data = f"<{text}>\\n".encode()
    for at in range(1, len(data)):
        os.write(1, data[:at])
        os.write(1, data[at:])
os.makedirs("results", exist_ok=True)
open("results/out.txt", "w").write(f"token: {token}")
open("results/clean.txt", "w").write("nothing")
json.dump({token: 1, "text": pin}, open("results/metrics.json", "w"))
with open(os.environ["PROJRUN_METRICS"], "a") as file:
    file.write(json.dumps({"name": "loss " + token, "value": 1}) + "\\n" + json.dumps({"step": 1, pin: 2}) + "\\n")
print(f"no newline {token}", end="", flush=True)
raise KeyError(token, key, pin, login)
"""

SPY = """\
import os, sys
def told(event, words):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
        with open({place!r}, "a") as file:
            file.write(repr(list(map(str, words[1]))) + "\\n")
sys.addaudithook(told)
"""


def needles() -> dict[bytes, str]:
    """All that may be nowhere, with whose it is."""
    secrets = {"token": TOKEN, "key": KEY, "pin": PIN, "index": INDEX, "database": DATABASE}
    found: dict[bytes, str] = {}
    for name, text in secrets.items():
        data = text.encode()
        ways = [text, repr(text), ascii(text), repr(data)[1:], json.dumps(text), quote(text), quote(text, safe="")]
        ways += [data.hex(), *text.split("\n"), shlex.quote(text)]
        for before in (b"", b"x", b"xx"):
            # The first and the last few digits are also of what is around.
            ways.append(base64.b64encode(before + data).decode()[4:-4])
        found |= {way.strip("'\"").encode(): name for way in ways}
    return found


def contents(top: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file, and what git's objects hold."""
    for path in sorted(top.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        yield path, os.fsencode(path) + b"\n" + data
        if "objects" in path.parts and path.is_relative_to(top / "store" / "sources.git"):
            yield path, zlib.decompress(data)


class Told(Struct, frozen=True):
    """A run that told everything, and what was started for it."""

    workspace: Workspace
    done: Done
    started: str


@pytest.fixture
def told(nothing_built: None, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    address = workspace.index.url.replace("http://", "http://user:idx-pa55%3Aw%C3%B6rd@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", address)
    monkeypatch.setenv("INDEX", address)
    monkeypatch.setenv("DATABASE_URL", f"postgres://me:{DATABASE}@db.example/x")
    environment = LOCKED.replace("}", ", secrets: [TOKEN, PEM], inherit: [DATABASE_URL, INDEX]}")
    workspace.repository.write("tell.py", PROGRAM)
    workspace.entry_point(
        "python tell.py {pin} {params_file} {also}",
        environment=environment,
        more="    parameters: {pin: {type: str, secret: true}, also: str}\n"
        "    outputs: [results/out.txt, results/clean.txt]\n    metrics: [results/metrics.json]\n",
    )
    workspace.publish()
    workspace.repository.write("new.txt", "not committed\n")
    spy = tmp_path / "spy" / "sitecustomize.py"
    spy.parent.mkdir()
    spy.write_text(SPY.format(place=str(tmp_path / "started")))
    words = ["-P", f"also=x{TOKEN}y", "--name", TOKEN, "--tag", f"t={PIN}", "--note", KEY]
    done = workspace.projrun("run", *words, variables={"PYTHONPATH": str(spy.parent)})
    return Told(workspace, done, (tmp_path / "started").read_text())


def test_no_byte_and_no_command_line_tells_a_secret(told: Told) -> None:
    assert_no_byte_tells(told)
    assert_the_record_is_whole(told)
    assert_no_process_of_our_own_was_told(told)


def assert_no_byte_tells(told: Told) -> None:
    workspace, sought = told.workspace, needles()
    assert told.done.code == 1, told.done.err
    shown = {"run": told.done.out + told.done.err}
    for verb in (
        "runs",
        "runs --json",
        "runs --csv",
        "show",
        "show --json",
        "logs",
        "logs -t",
        "outputs last",
        "metrics last",
    ):
        shown[verb] = "".join((workspace.projrun(*verb.split()).out, workspace.projrun(*verb.split()).err))
    for verb, text in shown.items():
        assert text, verb
        assert {name for text_, name in sought.items() if text_ in text.encode()} == set(), verb
    found = {
        (str(path.relative_to(workspace.home)), name)
        for path, data in contents(workspace.home)
        for text, name in sought.items()
        if text in data
    }
    assert found == set()


def assert_the_record_is_whole(told: Told) -> None:
    shown = told.workspace.last()
    recipe, outcome = shown["recipe"], shown["outcome"]
    assert recipe["parameters"][0]["raw"] == recipe["parameters"][0]["value"] == "***"
    assert recipe["parameters"][0]["origin"] == "variable: PROJRUN_SECRET_PIN"
    assert recipe["argv"][2] == "***"
    assert recipe["argv"][4] == "x***y"
    assert recipe["variables"]["secrets"] == ["PEM", "TOKEN"]
    flags = [(flag["code"], flag["message"]) for flag in (*recipe["flags"], *outcome["flags"])]
    shown_to = "secret parameter pin is on the program's command line, where other users see it"
    assert ("secret-shown", shown_to) in flags
    message = "output 'results/out.txt' is not kept in the store: it holds variable TOKEN"
    assert ("output-not-kept", message) in flags
    kept = {one["path"]: one["object"] is not None for one in outcome["outputs"]}
    assert kept == {"results/out.txt": False, "results/clean.txt": True, "results/metrics.json": False}
    assert shown["status"] == "failed"


def assert_no_process_of_our_own_was_told(told: Told) -> None:
    lines = told.started.splitlines()
    assert any("git" in line for line in lines)
    assert any("uv" in line for line in lines)
    assert any("tell.py" in line for line in lines)  # the program has its parameter where it asked for it
    for line in lines:
        if "tell.py" not in line:
            assert [name for text, name in needles().items() if text.decode() in line] == []


def test_a_secret_parameter_is_asked_for_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import json, sys; assert len(json.load(open(sys.argv[1]))['pin']) == 14"
    more = "    parameters: {pin: {type: str, secret: true}}\n"
    workspace.entry_point(json.dumps(["python", "-c", script, "{params_file}"]), more=more)
    missing = workspace.projrun("run")
    assert missing.code == 2
    assert "-P pin=@env:VARIABLE" in missing.err
    unset = workspace.projrun("run", "-P", "pin=@env:NOWHERE")
    assert unset.code == 2
    assert "'NOWHERE' is not set" in unset.err
    monkeypatch.setenv("MINE", PIN)
    recipe = workspace.run("-P", "pin=@env:MINE")["recipe"]
    assert recipe["parameters"][0] == {
        "name": "pin",
        "type": "str",
        "raw": "***",
        "value": "***",
        "origin": "variable: MINE",
        "secret": True,
    }
    assert "secret-shown" not in [flag["code"] for flag in recipe["flags"]]
    done = workspace.projrun("reproduce", "last")
    assert done.code == 0, done.err
    assert "parameter pin" in workspace.projrun("show", "last", "--json").out
    monkeypatch.delenv("MINE")
    checked = workspace.projrun("reproduce", "last", "--check")
    assert checked.code == 113
    assert "secret       missing: MINE is not set (export MINE=...)" in checked.out
    assert checked.out.count("missing") == 1  # the code is here, and so is all else
    refused = workspace.projrun("reproduce", "last")
    assert refused.code == 113
    assert "export MINE=..." in refused.err


def test_a_secret_parameter_from_a_file_or_the_line(workspace: Workspace, tmp_path: Path) -> None:
    workspace.entry_point(
        "python -c pass {params_file}", more="    parameters: {pin: {type: str, secret: true, minLength: 9}}\n"
    )
    (tmp_path / "params.yaml").write_text(f"pin: {PIN}\n")
    recipe = workspace.run("--params", str(tmp_path / "params.yaml"))["recipe"]
    assert [flag for flag in recipe["flags"] if flag["code"] == "secret-shown"] == []
    recipe = workspace.run("-P", f"pin={PIN}")["recipe"]
    assert "was typed" in next(flag["message"] for flag in recipe["flags"] if flag["code"] == "secret-shown")
    wrong = workspace.projrun("run", "-P", "pin=2short")
    assert wrong.code == 2
    assert "2short" not in wrong.err
    assert [path for path, data in contents(workspace.home) if PIN.encode() in data] == []


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ("{type: str, secret: true, default: x}", "a secret has none"),
        ("{type: int, secret: true}", "secret"),
    ],
)
def test_a_secret_has_no_default_and_is_text(workspace: Workspace, declared: str, why: str) -> None:
    workspace.entry_point("echo {x}", more=f"    parameters: {{x: {declared}}}\n")
    done = workspace.projrun("check")
    assert done.code == 111
    assert why in done.err + done.out


def test_a_file_that_holds_a_secret_is_not_captured(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)
    workspace.entry_point("echo hi", environment=LOCKED.replace("}", ", secrets: [TOKEN]}"))
    workspace.publish()
    workspace.repository.write("settings.env", f"TOKEN={TOKEN}\n")
    planned = workspace.projrun("run", "--dry-run")
    assert "settings.env holds the value of a secret" in planned.out
    assert TOKEN not in planned.out + planned.err
    done = workspace.projrun("run")
    assert done.code == 112
    assert "settings.env holds the value of a secret: variable TOKEN" in done.err
    assert "echo /settings.env >> .gitignore" in done.err
    assert [path for path, data in contents(workspace.home) if TOKEN.encode() in data] == []
    workspace.repository.write(".gitignore", "settings.env\nresults/\n")
    workspace.run()
    assert [path for path, data in contents(workspace.home) if TOKEN.encode() in data] == []


def test_what_looks_like_a_secret_is_flagged_and_not_shown(workspace: Workspace) -> None:
    token = "ghp_" + "a1B2" * 9
    script = "print('one'); print('two'); print('x ghp_' + 'a1B2' * 9)"
    workspace.entry_point(json.dumps(["python", "-c", script, "{x}"]), more="    parameters: {x: str}\n")
    done = workspace.projrun("run", "-P", f"x={token}", "--note", "see https://me:password@host/x")
    summary = [line for line in done.err.splitlines() if "flagged" in line]
    assert any("parameter x holds what looks like a GitHub token" in line for line in summary)
    assert any("the note holds what looks like the password of an address" in line for line in summary)
    assert any("line 3 of stdout looks like a GitHub token" in line for line in summary)
    assert not any(token in line for line in summary)


def test_neither_a_kept_input_nor_what_the_program_writes_beside_goes_unnoticed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)
    script = "import os; open(os.environ['PROJRUN_RUN_DIR'] + '/mine.txt', 'w').write(os.environ['TOKEN'])"
    workspace.entry_point(
        json.dumps(["python", "-c", script]),
        environment=LOCKED.replace("}", ", secrets: [TOKEN]}"),
        more="data: {held: {path: results/held.txt, keep: true}}\n",
    )
    workspace.publish()
    (workspace.root / "results").mkdir(exist_ok=True)
    (workspace.root / "results" / "held.txt").write_text(f"{TOKEN}\n")  # ignored, and an input all the same
    done = workspace.run()
    assert done["recipe"]["inputs"][0]["object"] is None
    flags = {flag["code"]: flag for flag in (*done["recipe"]["flags"], *done["outcome"]["flags"])}
    assert "it holds variable TOKEN" in flags["input-not-kept"]["message"]
    assert "wrote variable TOKEN to mine.txt" in flags["secret-written"]["message"]
    assert flags["secret-written"]["mend"].endswith("mine.txt")


def test_what_a_killed_runner_left_is_removed_by_who_looks(workspace: Workspace) -> None:
    workspace.entry_point("echo hi")
    run = Path(workspace.run()["directory"])
    (run / "outcome.json").unlink()
    (run / "params.json").write_text(PIN)
    assert workspace.projrun("show", run.name, "--json").data["status"] == "lost"
    assert not (run / "params.json").exists()


def test_a_store_is_shared_and_taken_back(workspace: Workspace) -> None:
    workspace.entry_point("echo hi")
    assert workspace.projrun("store", "share").code == 0
    run = Path(workspace.run()["directory"])
    assert run.stat().st_mode & 0o2770 == 0o2770
    assert {
        path.name for path in run.iterdir() if path.is_file() and path.stat().st_mode & 0o077 != 0o060
    } == set()
    assert workspace.projrun("store", "share", "--close").code == 0
    assert [path for path in (workspace.store, *workspace.store.rglob("*")) if path.stat().st_mode & 0o077] == []
    assert workspace.projrun("store", "share", "--close", "--group", "x").code == 2
    unknown = workspace.projrun("store", "share", "--group", "no-such-group")
    assert unknown.code == 2
    assert "there is no group 'no-such-group'" in unknown.err


def test_what_a_run_is_called_later_holds_no_secret_of_its_own(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)
    monkeypatch.setenv("MINE", PIN)
    monkeypatch.setenv("DATABASE_URL", f"postgres://me:{DATABASE}@db.example/x")
    environment = LOCKED.replace("}", ", secrets: [TOKEN], inherit: [DATABASE_URL]}")
    more = "    parameters: {pin: {type: str, secret: true}}\n"
    workspace.entry_point("python -c pass {params_file}", environment=environment, more=more)
    run = workspace.run("-P", "pin=@env:MINE")["run"]
    shown = [workspace.projrun("tag", run, f"t={TOKEN}", f"{PIN}=x", f"d={DATABASE}")]
    shown += [workspace.projrun("note", run, f"my {PIN}"), workspace.projrun("rename", run, f"x-{TOKEN}")]
    monkeypatch.setenv("PROJRUN_STORE", str(workspace.store))
    script = f"import projrun; projrun.Store().run({run!r}).relabel(tags={{'u': {TOKEN!r}}})"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=ROOT, text=True)
    assert done.stderr == ""
    labels = workspace.last()["labels"]
    assert labels["tags"] == {"t": "***", "***": "x", "d": "***", "u": "***"}
    assert (labels["name"], labels["note"]) == ("x-***", "my ***")
    told = "".join(one.out + one.err for one in shown).encode()
    assert [name for text, name in needles().items() if text in told] == []
    found = [path for path, data in contents(workspace.store) for text in needles() if text in data]
    assert found == []


def test_what_a_refused_run_is_called_later_holds_no_secret_either(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)
    workspace.entry_point("python -c pass", environment=LOCKED.replace("}", ", secrets: [TOKEN]}"))
    workspace.repository.write("notes.txt", f"mine is {TOKEN}")
    assert workspace.projrun("run").code == 112
    assert workspace.projrun("note", "last", f"my {TOKEN}").code == 0
    assert workspace.last()["labels"]["note"] == "my ***"
    assert [path for path, data in contents(workspace.store) if TOKEN.encode() in data] == []


def test_a_later_label_that_looks_like_a_secret_is_told(workspace: Workspace) -> None:
    workspace.entry_point("echo hi")
    run = workspace.run()["run"]
    told = workspace.projrun("tag", run, "t=ghp_" + "a1B2" * 9).err.splitlines()
    assert told[0].startswith("note: tag t holds what looks like a GitHub token, and it is recorded")
    assert f"projrun tag {run} --remove t" in told[0]
    assert "a1B2" not in told[0]
