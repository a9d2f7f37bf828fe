"""What a reproduction would need, and what of it is not on this machine. Builds, records and runs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from projrun.again import again_of, interpreter_of, lock_of
from projrun.choice import Choice
from projrun.core.errors import DataError, EnvironmentFailure, ProjrunError, SourceError
from projrun.core.report import Reporter
from projrun.core.values import Struct, as_dict, replace
from projrun.environment import interpreters
from projrun.environment.model import EnvironmentPlan
from projrun.matching import Side, why_not_held
from projrun.options import Options
from projrun.providing import held, lacking_in, missing, unlike
from projrun.reconstructing import checked_out, chosen, options_of, secret_parameters
from projrun.records import GOES_ON, Record, find_record, what_was_not_read
from projrun.reproducing import DIFFERENT, Asked
from projrun.source.model import Source
from projrun.spec.model import DataEntry
from projrun.stopping import ended_by_signals

HERE, MISSING, UNKNOWN = "here", "missing", "unknown"


class Need(Struct, frozen=True):
    """One thing that is needed. ``exit_code`` is that of the stage that would lack it; ``hint`` what to do."""

    what: str
    state: str
    message: str
    exit_code: int
    hint: str = ""


class Foreseen(Struct, frozen=True):
    """What is needed to do a run again, in the order of the stages."""

    run: str
    needs: tuple[Need, ...]

    @property
    def exit_code(self) -> int:
        """0 when nothing is missing, else the code of the first stage that lacks something."""
        return next((need.exit_code for need in self.needs if need.state == MISSING), 0)

    def document(self) -> dict[str, Any]:
        """The same as data."""
        return {"run": self.run, "exit_code": self.exit_code, "needs": [as_dict(need) for need in self.needs]}


def foresee(asked: Asked, report: Reporter) -> Foreseen:
    """Finds out what a reproduction would lack. A commit is fetched, unless ``offline``; nothing else is.

    Raises UsageError and StoreError for a record that cannot be read.
    """
    record = find_record(asked.run, asked.store)
    options = replace(options_of(record, asked.options), allow_download=False)
    needs: list[Need] = []
    with ended_by_signals():
        try:
            with checked_out(record, options, report) as place:
                choice = chosen(record.recipe, options, place, values=False)
                assert place.source is not None
                needs.append(Need("code", HERE, _code(place.source), SourceError.exit_code))
                needs += _environment(record, options, choice, report)
                needs += _secrets(record)
                needs += _inputs(record, choice.spec.root, options)
                needs += _results(record)
        except ProjrunError as error:
            if needs:
                raise
            needs.append(_need("code", error))
            needs += _environment(record, options, None, report)
            needs += _secrets(record)
            needs += _unplaced_inputs(record)
            needs += _results(record)
    return Foreseen(record.link.run, tuple(needs))


def _need(what: str, error: ProjrunError) -> Need:
    message = f"{error.what}: {error.brief}" if error.brief else error.what
    return Need(what, MISSING, message, error.exit_code, error.hint)


def _code(source: Source) -> str:
    return f"snapshot {source.head}" if source.head else f"commit {source.commit}"


def _environment(record: Record, options: Options, choice: Choice | None, report: Reporter) -> Iterator[Need]:
    """The environment or the interpreter to build it with; of a container, the image."""
    kind, code = record.recipe["environment"]["kind"], EnvironmentFailure.exit_code
    what = "image" if kind == "docker" else "environment"
    try:
        if choice is not None:
            again = again_of(record.recipe, record.link)
            yield _planned(what, again.planned(choice, options.means, report, resolve=False), options)
        elif (lock := lock_of(record.recipe["environment"])) is not None:
            python = interpreter_of(lock.python, options.means, report)
            yield Need("interpreter", HERE, f"{python.version}, {python.path}", code)
        else:
            yield Need(what, UNKNOWN, "its declaration is in the code, which is not here", code)
    except interpreters.Missing as error:
        yield _need("interpreter", error)
    except EnvironmentFailure as error:
        yield _need(what, error)


def _planned(what: str, planned: EnvironmentPlan, options: Options) -> Need:
    code, python = EnvironmentFailure.exit_code, planned.python
    with_python = f", with {python.implementation} {python.version}" if python else ""
    if planned.reason is None:
        return Need(what, HERE, f"key {planned.key[:12]}{with_python}, ready", code)
    if not planned.key:  # of an image that another one is made from
        if options.offline:
            return Need(what, MISSING, f"{planned.reason}", code, "run it without --offline, or docker pull IMAGE")
        return Need(what, UNKNOWN, f"{planned.reason}; whether it can be pulled is seen when it is", code)
    message = f"to be built{with_python}: {planned.reason}"
    if options.offline:
        return Need(what, UNKNOWN, f"{message}; whether its packages are here is seen when it is", code)
    lacking = "what it is made of can be had" if what == "image" else "the package index has its packages"
    return Need(what, UNKNOWN, f"{message}; whether {lacking} is seen then", code)


def _secrets(record: Record) -> Iterator[Need]:
    for name in (*record.recipe["variables"]["secrets"], *secret_parameters(record.recipe)):
        if name in os.environ:
            yield Need("secret", HERE, name, EnvironmentFailure.exit_code)
        else:
            yield Need("secret", MISSING, f"{name} is not set", EnvironmentFailure.exit_code, f"export {name}=...")


def _inputs(record: Record, root: Path, options: Options) -> Iterator[Need]:
    wanted = lacking_in(record, root)
    lacking = {**dict(missing(record, wanted, options, read=True)), **dict(unlike(record, root, wanted))}
    for one in record.recipe["inputs"]:
        path = str(one["path"])
        if path in lacking:
            hint = f"put back what the run read: sha256 {one['sha256']}"
            yield Need("input", MISSING, f"{path}: {lacking[path]}", DataError.exit_code, hint)
        elif one in wanted and one.get("url") and not held(record, one, options):
            yield _remote_input(one, options)
        else:
            where = "outside of the commit" if one in wanted else "in the commit"
            yield Need("input", HERE, f"{path}, {where}", DataError.exit_code)


def _remote_input(one: Mapping[str, Any], options: Options) -> Need:
    """An input that is had from its address alone, or was fetched from there before."""
    from projrun.data.remote import is_at_hand

    entry = DataEntry(str(one["name"]), str(one["path"]), one["sha256"], url=one["url"])
    if is_at_hand(entry, options.cache):
        return Need("input", HERE, f"{entry.path}, fetched before", DataError.exit_code)
    if options.offline:
        message = f"{entry.path}: nothing may be fetched (--offline), and it is not in the cache"
        return Need("input", MISSING, message, DataError.exit_code, "leave --offline out")
    return Need("input", UNKNOWN, f"{entry.path}, to be fetched from {entry.url}", DataError.exit_code)


def _unplaced_inputs(record: Record) -> Iterator[Need]:
    for one in record.recipe["inputs"]:
        message = f"{one['path']}: it may be in the code, which is not here"
        yield Need("input", UNKNOWN, message, DataError.exit_code)


def _results(record: Record) -> Iterator[Need]:
    """What the new run's outputs and metrics are compared with. What is not known of them no verdict can tell."""
    if record.outcome is None:
        declared = any(record.recipe[kind] for kind in ("outputs", "metrics"))
        hint = "put the run's outcome.json beside its recipe.json, or name the run in its store"
        hint = "wait until it has" if record.unended == GOES_ON else hint
        message = f"{record.unended}: there is nothing to compare with"
        yield Need("outputs and metrics" if declared else "exit code", MISSING, message, DIFFERENT, hint)
        return
    if unread := what_was_not_read(record.outcome):
        yield Need("outputs and metrics", MISSING, f"{unread}: there is nothing to compare with", DIFFERENT)
        return
    side = Side(record.outcome["outputs"], record.store.objects if record.store else None, record.recipe["source"])
    for one in side.outputs:
        yield _output(one, side)
    if found := record.outcome["metrics"]:
        yield Need("metrics", HERE, f"{len(found)}, as they were recorded", DIFFERENT)


def _output(one: Mapping[str, Any], side: Side) -> Need:
    path, kind = str(one["path"]), one["kind"]
    if one["stale"] or kind == "unreadable":
        why = "the run did not write it" if one["stale"] else "it could not be read when the run ended"
        return Need("output", UNKNOWN, f"{path}: {why}, so it is not compared", DIFFERENT)
    if kind == "missing":
        return Need("output", HERE, f"{path}: the run did not write it, and it is to be missing again", DIFFERENT)
    if why := why_not_held(one, side):
        return Need("output", UNKNOWN, f"{path}: compared by its sha256, and not by content: {why}", DIFFERENT)
    return Need("output", HERE, f"{path}, compared by its sha256 and by content", DIFFERENT)
