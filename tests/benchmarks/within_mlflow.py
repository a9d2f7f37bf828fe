"""What is measured inside a process of MLflow: run by the Python that it is installed for, alone, as a program.

    python -I within_mlflow.py points URI ONE BATCHED     log_metric, log_batch, get_metric_history
    python -I within_mlflow.py fill URI STORE             the runs of a projrun store as MLflow's own
    python -I within_mlflow.py queries URI                search_runs

Prints seconds as JSON. The tables are those that MLflow itself has made; to fill them by its interface, run by
run, would take hours.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

_BATCH = 1_000
_STATUS = {"finished": "FINISHED", "failed": "FAILED"}
_INSERT = {
    "runs": "(run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, experiment_id)",
    "params": "(run_uuid, key, value)",
    "latest_metrics": "(run_uuid, key, value, timestamp, step, is_nan)",
    "metrics": "(run_uuid, key, value, timestamp, step, is_nan)",
    "tags": "(run_uuid, key, value)",
}
Rows = dict[str, list[tuple[Any, ...]]]


def client(uri: str) -> Any:
    """MLflow's own client of a store, which is made when it is not there."""
    import mlflow  # type: ignore[import-not-found]

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("benchmark")
    return mlflow


def points(uri: str, one: int, batched: int) -> dict[str, float]:
    """Seconds for so many points by log_metric, and so many by log_batch and read again."""
    mlflow = client(uri)
    with mlflow.start_run():
        mlflow.log_metric("first", 0.0)
        begin = time.perf_counter()
        for step in range(one):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        single = time.perf_counter() - begin
    with mlflow.start_run() as run:
        begin = time.perf_counter()
        for start in range(0, batched, _BATCH):
            now = int(time.time() * 1000)
            steps = range(start, start + _BATCH)
            batch = [mlflow.entities.Metric("loss", 1 / (step + 1), now, step) for step in steps]
            mlflow.MlflowClient().log_batch(run.info.run_id, metrics=batch)
        many = time.perf_counter() - begin
        begin = time.perf_counter()
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
        read = time.perf_counter() - begin
    assert len(history) == batched
    return {"one": single, "batch": many, "history": read}


def queries(uri: str) -> dict[str, float]:
    """Seconds of each question, asked once before."""
    mlflow = client(uri)
    picky = "metrics.rmse < 1 and params.model = 'tree' and tags.team = 'red'"
    asked = {
        "newest": {"max_results": 25, "output_format": "list"},
        "filter": {
            "filter_string": picky,
            "order_by": ["metrics.rmse ASC"],
            "max_results": 25,
            "output_format": "list",
        },
        "frame": {"filter_string": "metrics.rmse < 0.2 and params.model = 'tree'", "max_results": 50_000},
        "text": {"filter_string": "params.choice_0 LIKE '%aaa%'", "max_results": 25, "output_format": "list"},
    }
    taken = {}
    for name, words in asked.items():
        mlflow.search_runs(**words)
        begin = time.perf_counter()
        mlflow.search_runs(**words)
        taken[name] = time.perf_counter() - begin
    return taken


def fill(uri: str, store: Path) -> dict[str, float]:
    """Puts every run of a projrun store into MLflow's tables: parameters, metrics and tags."""
    begin = time.perf_counter()
    experiment = client(uri).get_experiment_by_name("benchmark").experiment_id
    connection = sqlite3.connect(uri.removeprefix("sqlite:///"))
    rows: Rows = {table: [] for table in _INSERT}
    for number, run in enumerate(_runs(store)):
        _add(rows, *run, int(experiment))
        if number % 1_000 == 999:
            _insert(connection, rows)
    _insert(connection, rows)
    connection.execute("ANALYZE")
    connection.commit()
    return {"seconds": time.perf_counter() - begin}


def _runs(store: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    for path in (store / "runs").iterdir():
        outcome = path / "outcome.json"
        ended = json.loads(outcome.read_bytes()) if outcome.exists() else {}
        yield (
            json.loads((path / "start.json").read_bytes()),
            json.loads((path / "recipe.json").read_bytes()),
            ended,
        )


def _add(rows: Rows, start: dict[str, Any], recipe: dict[str, Any], outcome: dict[str, Any], group: int) -> None:
    run = start["run"]
    began, ended = _milliseconds(start["created"]), _milliseconds(outcome.get("ended"))
    status = _STATUS.get(outcome.get("status", ""), "KILLED")
    rows["runs"].append((run, start["name"], "LOCAL", "tester", status, began, ended, "active", group))
    rows["params"] += [(run, one["name"], one["raw"]) for one in recipe["parameters"]]
    for one in outcome.get("metrics", ()):
        nan = one["value"] == "NaN"
        row = (run, one["name"], 0.0 if nan else one["value"], ended, 0, nan)
        rows["metrics"].append(row)
        rows["latest_metrics"].append(row)
    tags = {"mlflow.runName": start["name"], **start["tags"]}
    rows["tags"] += [(run, name, value) for name, value in tags.items()]


def _insert(connection: sqlite3.Connection, rows: Rows) -> None:
    for table, values in rows.items():
        if values:
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {table} {_INSERT[table]} VALUES ({marks})", values)
            values.clear()


def _milliseconds(moment: str | None) -> int | None:
    return (
        None if moment is None else int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() * 1000)
    )


if __name__ == "__main__":
    what, where, *words = sys.argv[1:]
    if what == "points":
        print(json.dumps(points(where, int(words[0]), int(words[1]))))
    elif what == "fill":
        print(json.dumps(fill(where, Path(words[0]))))
    else:
        print(json.dumps(queries(where)))
