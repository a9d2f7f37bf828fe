"""Metrics files -> metrics: JSON and YAML with one value of each, tables with many."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from projrun.core.flags import Flag
from projrun.core.metrics import yaml_values
from projrun.core.metrics.lines import Point
from projrun.core.metrics.numbers import TWICE, Value, as_value, leaves, loads, unfit_name
from projrun.core.paths import escape_reason
from projrun.core.values import Struct, field
from projrun.data import metrics_tables
from projrun.data.metrics_tables import Fault
from projrun.data.model import Metric
from projrun.data.reading import Uncovered, regular_file
from projrun.data.tree import stat_mark

MAX_BYTES = 4 << 20
MAX_TABLE_BYTES = 64 << 20
MAX_METRICS = 10_000
_YAML = (".yaml", ".yml")
_NAMES_TOLD = 5


class Keeper(Protocol):
    """What keeps the points of tables."""

    def keep(self, point: Point) -> None: ...


class _Unusable(Exception):
    """Why a metrics file gives no metrics."""


class _Found(Struct):
    """The metrics of one file so far, with what was wrong in it."""

    values: dict[str, Value] = field(default_factory=dict)
    twice: dict[str, None] = field(default_factory=dict)
    unfit: list[str] = field(default_factory=list)

    def put(self, name: str, value: Value) -> None:
        if name not in self.values and len(self.values) >= MAX_METRICS:
            raise _Unusable(f"it holds more than {MAX_METRICS:,} metrics")
        self.values[name] = value


def read_metrics(
    paths: Sequence[str], root: Path, before: Mapping[str, str | None], keeper: Keeper | None = None
) -> tuple[tuple[Metric, ...], tuple[Flag, ...]]:
    """The metrics that the run wrote to its declared metrics files, and a flag for each file that gives none.

    What a file is, its name's end tells: ``.yaml``, ``.csv``, ``.tsv``, ``.jsonl`` and their like, else JSON.
    Numbers, ``true`` and ``false`` are metrics; text, null and lists are not and are passed over. Of a table the
    last value counts; ``keeper`` gets every point of it. ``before`` is what
    :func:`projrun.data.fingerprint.look` gave; a file that the run did not touch is not read. When a name occurs
    twice, the first one counts and is flagged. Raises nothing for what a file holds.
    """
    metrics: dict[str, Metric] = {}
    flags: list[Flag] = []
    for path in paths:
        try:
            found, wrong = _read(path, root, before.get(path), _Except(frozenset(metrics), keeper))
        except _Unusable as reason:
            flags.append(Flag("metrics-unread", f"no metrics from {path!r}: {reason}"))
            continue
        flags += wrong
        for name, value in found.values.items():
            if name in metrics:
                flags.append(_twice(name, path, metrics[name].file))
            else:
                metrics[name] = Metric(name, value, path)
        flags += [_twice(name, path, path) for name in found.twice if metrics[name].file == path]
    return tuple(metrics.values()), tuple(flags)


class _Except(Struct, frozen=True):
    """Keeps the points of metrics that no earlier file has."""

    taken: frozenset[str]
    keeper: Keeper | None

    def keep(self, point: Point) -> None:
        if self.keeper is not None and point.name not in self.taken:
            self.keeper.keep(point)


def _twice(name: str, path: str, other: str) -> Flag:
    return Flag("metric-twice", f"metric {name!r} of {path!r} is already in {other!r}")


def _read(path: str, root: Path, mark_before: str | None, keeper: Keeper) -> tuple[_Found, list[Flag]]:
    if reason := escape_reason(root, path):
        raise _Unusable(reason)
    if mark_before is not None and mark_before == stat_mark(root / path):
        raise _Unusable("it was there before and this run did not touch it")
    ending = PurePath(path).suffix.lower()
    try:
        with regular_file(os.fspath(root / path)) as descriptor, open(descriptor, "rb", closefd=False) as file:
            if ending in metrics_tables.DELIMITERS or ending in metrics_tables.LINES:
                return _table(path, ending, file, keeper)
            return _document(path, ending, file)
    except Uncovered as error:
        raise _Unusable(str(error)) from error
    except FileNotFoundError:
        raise _Unusable("the run did not write it") from None
    except OSError as error:
        raise _Unusable(error.strerror or str(error)) from error


def _document(path: str, ending: str, file: BinaryIO) -> tuple[_Found, list[Flag]]:
    """One value of each metric."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Unusable(f"it is larger than {MAX_BYTES >> 20} MiB")
    document = _yaml(data) if ending in _YAML else _json(data)
    if not isinstance(document, dict):
        raise _Unusable(f"it holds no {'mapping' if ending in _YAML else 'JSON object'} at the top")
    found = _Found()
    for name, leaf in leaves(document):
        if leaf is TWICE or name in found.values:
            found.twice[name] = None
        elif (value := as_value(leaf)) is not None:
            if reason := unfit_name(name):
                found.unfit.append(reason)
            else:
                found.put(name, value)
    found.twice = {name: None for name in found.twice if name in found.values}
    return found, _unfit(path, [Fault(0, reason) for reason in found.unfit], len(found.unfit))


def _json(data: bytes) -> Any:
    try:
        return loads(data, first_counts=True)
    except RecursionError:
        raise _Unusable("it is nested too deeply") from None
    except ValueError as error:
        raise _Unusable(f"it is not JSON: {error}") from error


def _yaml(data: bytes) -> Any:
    try:
        return yaml_values.load(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _Unusable("it is not UTF-8") from None
    except ValueError as error:
        raise _Unusable(str(error)) from error


def _table(path: str, ending: str, file: BinaryIO, keeper: Keeper) -> tuple[_Found, list[Flag]]:
    """Many values of each metric, the last of which counts."""
    size = os.fstat(file.fileno()).st_size
    if size > MAX_TABLE_BYTES:
        raise _Unusable(f"it is larger than {MAX_TABLE_BYTES >> 20} MiB")
    found = _Found()
    faults: list[Fault] = []
    count = 0
    for one in _points(ending, file, size):
        if isinstance(one, Fault):
            count += 1
            faults += [one] * (len(faults) < _NAMES_TOLD or one.last)
        else:
            found.put(one.name, one.value)
            keeper.keep(one)
    if not found.values and not faults:
        raise _Unusable("there is no number in it")
    return found, _unfit(path, faults, count)


def _points(ending: str, file: BinaryIO, size: int) -> Iterator[Point | Fault]:
    if ending in metrics_tables.LINES:
        return metrics_tables.json_lines(file, size)
    return metrics_tables.rows(file, metrics_tables.DELIMITERS[ending])


def _unfit(path: str, faults: Sequence[Fault], count: int) -> list[Flag]:
    if not faults:
        return []
    told = [f"line {one.line}: {one.reason}" if one.line else one.reason for one in faults[:1]]
    told += [f"nothing after line {one.line} is read: {one.reason}" for one in faults[1:] if one.last]
    if faults[0].last:
        told = [f"nothing after line {faults[0].line} is read: {faults[0].reason}"]
    more = f" and {count - 1} more" if count > 1 else ""
    return [Flag("metrics-rejected", f"not all of {path!r} is metrics: {'; '.join(told)}{more}")]
