"""The flow of ``projrun reproduce``: find the record, rebuild what it had, run it again, judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from projrun import runner
from projrun.concealing import secrets_of, values
from projrun.core.errors import UsageError
from projrun.core.nearest import nearest
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.judging import judged_again
from projrun.options import Options
from projrun.recipe.document import head
from projrun.recipe.redaction import redacted, redactions
from projrun.reconstructing import options_of, reconstructed
from projrun.records import RECIPE, Record, find_record
from projrun.runner import Result
from projrun.settling import Settled
from projrun.spec.model import Tolerance
from projrun.stopping import ended_by_signals
from projrun.store.run import write_verdict
from projrun.store.store import Store
from projrun.verdict.document import verdict_document
from projrun.verdict.model import REPRODUCED

DIFFERENT = 10  # the exit code


class Asked(Struct, frozen=True):
    """What the user asked for. ``run`` is the RUN or file as typed; ``tolerances`` go before those of the spec."""

    run: str
    store: Path
    cache: Path
    tolerances: Mapping[str, Tolerance]
    offline: bool = False
    allow_download: bool = False
    terminals: tuple[str, ...] = ()

    @property
    def options(self) -> Options:
        """The same of a run that nothing is known of yet."""
        return Options(
            source="",
            store=self.store,
            cache=self.cache,
            offline=self.offline,
            allow_download=self.allow_download,
            terminals=self.terminals,
        )


class Reproduced(Struct, frozen=True):
    """The new run with the verdict, which is None when it was stopped. ``exit_code`` is projrun's."""

    result: Result
    verdict: Mapping[str, Any] | None
    exit_code: int

    def document(self) -> dict[str, Any]:
        """All of it as one JSON value."""
        return {**self.result.document(), "verdict": self.verdict, "exit_code": self.exit_code}


def reproduce(
    asked: Asked, screen: Reporter, change: Callable[[Settled], Settled] = lambda ready: ready
) -> Reproduced:
    """Does a recorded run again and judges what came of it. ``change`` is made to what was reconstructed.

    Raises ProjrunError when it cannot be done, with the exit code of the stage that it fails at.
    """
    record = find_record(asked.run, asked.store)
    _check_names(asked, record)
    options = options_of(record, asked.options)
    screen.phase("reproduce", f"run {record.link.run}, {record.recipe['entry_point']['name']} of {record.created}")
    with ended_by_signals(), reconstructed(record, options, screen) as found:
        ready = change(found)
        result = runner.run_settled(options, ready, screen)
        if result.outcome["status"] == "interrupted":
            return Reproduced(result, None, result.exit_code)
        screen.phase("verdict", f"comparing with run {record.link.run}")
        return _judged(asked, record, ready, result)


def reproduce_at_once(options: Options, first: Result, screen: Reporter) -> Reproduced | None:
    """Does a run again that has just ended with these options; None when it failed: nothing is to be had again."""
    if first.outcome["status"] != "finished":
        return None
    asked = Asked(
        run=str(first.directory / RECIPE),
        store=options.store,
        cache=options.cache,
        tolerances={},
        offline=options.offline,
        allow_download=options.allow_download,
    )
    return reproduce(asked, screen)


def _judged(asked: Asked, record: Record, ready: Settled, result: Result) -> Reproduced:
    tolerances = {**ready.choice.entry_point.tolerance, **asked.tolerances}
    verdict = judged_again(record, result.recipe, result.outcome, Store(asked.store), tolerances)
    code = _exit_code(record, result, reproduced=verdict.verdict == REPRODUCED)
    link = {"reproduces": {"run": record.link.run, "sha256": record.link.sha256}}
    document = verdict_document(verdict, {**head("verdict", result.id, time.time()), **link}, code)
    document = redacted(document, redactions(values(secrets_of(ready.choice))))
    write_verdict(result.directory, document)
    return Reproduced(result, document, code)


def _exit_code(record: Record, result: Result, *, reproduced: bool) -> int:
    """0, 10, or the program's own when it failed although it had not."""
    if reproduced:
        return 0
    failed_before = record.outcome is not None and record.outcome["status"] != "finished"
    return result.exit_code if result.exit_code and not failed_before else DIFFERENT


def _check_names(asked: Asked, record: Record) -> None:
    """Raises UsageError for a tolerance of a metric that the run does not have."""
    known = [str(one["name"]) for one in record.outcome["metrics"]] if record.outcome else []
    for name in asked.tolerances if record.outcome else ():
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"--tolerance {name}: run {record.link.run} has no such metric",
                why=f"it has {', '.join(known)}" if known else "it reported none",
                hint=f"--tolerance {near}=..." if near else f"projrun show {record.link.run} lists its metrics",
            )
