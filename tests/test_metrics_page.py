"""The examples of docs/how-to/metrics.md, as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from projrun.store import metrics

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "metrics.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run_by(words: list[str], file: Path) -> str:
    environment = {"PROJRUN_METRICS": str(file), "PATH": "/usr/bin:/bin"}
    return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout


def test_the_examples_report_what_the_page_says(tmp_path: Path) -> None:
    run = tmp_path / "abcdefghjkmn"
    run.mkdir()
    lines = run / metrics.LINES
    (writing,) = blocks("python")
    run_by([sys.executable, "-c", writing], lines)
    for block in blocks("sh"):
        run_by(["sh", "-c", block], lines)
    (of_r,) = blocks("r")
    found = re.search(r"sprintf\('(.*)\\n', \"(\w+)\", ([0-9.]+), (\d+)L\)", of_r)
    assert found is not None
    with lines.open("a") as file:  # R's sprintf is C's, as is this one
        file.write(found[1] % (found[2], float(found[3]), int(found[4])) + "\n")
    assert {one.name: (one.count, one.last, one.last_step) for one in metrics.summaries(run)} == {
        "loss": (3, 1 / 3, 2),
        "val.loss": (1, 0.5, 2),
        "val.accuracy": (1, 0.875, 2),
        "rows": (1, 1200, 0),
        "seconds": (1, 1.5, 3),
        "rmse": (1, 0.25, 7),
    }
    assert not (run / "metrics.rejected").exists()


def test_the_lines_of_the_table_are_metrics(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `(\{.*?\})` \| (.*?)(?::.*)? \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for number, (line, names) in enumerate(rows):
        run = tmp_path / f"abcdefghjkm{'npq'[number]}"
        run.mkdir()
        (run / metrics.LINES).write_text(line + "\n")
        assert metrics.names(run) == tuple(re.findall(r"`([\w.]+)`", names.split(":")[0]))
