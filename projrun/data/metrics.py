"""Metrics files -> metrics. A metrics file holds one JSON object; nested keys become dotted names."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from projrun.core.flags import Flag
from projrun.core.paths import escape_reason
from projrun.data.model import Metric
from projrun.data.reading import Uncovered, regular_file
from projrun.data.tree import stat_mark

MAX_BYTES = 4 << 20
MAX_METRICS = 10_000
# Beyond this a reader that holds every JSON number as a double (jq, a browser) changes an integer.
_EXACT = 2**53
_EXACT_DIGITS = 17


class _NumberText(str):
    """A number that is kept as its text."""


class _Unusable(Exception):
    """Why a metrics file gives no metrics."""


def read_metrics(
    paths: Sequence[str], root: Path, before: Mapping[str, str | None]
) -> tuple[tuple[Metric, ...], tuple[Flag, ...]]:
    """The metrics that the run wrote to its declared metrics files, and a flag for each file that gives none.

    Numbers, ``true`` and ``false`` are metrics; text, null and lists are not and are passed over. ``before`` is
    what :func:`projrun.data.fingerprint.look` gave; a file that the run did not touch is not read. When a
    name occurs twice, the first one counts and is flagged. Raises nothing for what a file holds.
    """
    metrics: dict[str, Metric] = {}
    flags: list[Flag] = []
    for path in paths:
        try:
            found = tuple(_read(path, root, before.get(path)))
        except _Unusable as reason:
            flags.append(Flag("metrics-unread", f"no metrics from {path!r}: {reason}"))
            continue
        for metric in found:
            if metric.name in metrics:
                other = metrics[metric.name].file
                flags.append(Flag("metric-twice", f"metric {metric.name!r} of {path!r} is already in {other!r}"))
            else:
                metrics[metric.name] = metric
    return tuple(metrics.values()), tuple(flags)


def _read(path: str, root: Path, mark_before: str | None) -> Iterator[Metric]:
    if reason := escape_reason(root, path):
        raise _Unusable(reason)
    if mark_before is not None and mark_before == stat_mark(root / path):
        raise _Unusable("it was there before and this run did not touch it")
    document = _parse(_content(root / path))
    if not isinstance(document, dict):
        raise _Unusable("it holds no JSON object at the top")
    count = 0
    for name, value in _leaves(document):
        if isinstance(value, (bool, int, float, _NumberText)):
            count += 1
            if count > MAX_METRICS:
                raise _Unusable(f"it holds more than {MAX_METRICS:,} numbers")
            yield Metric(name, str(value) if isinstance(value, _NumberText) else value, path)


def _content(path: Path) -> bytes:
    try:
        with regular_file(os.fspath(path)) as descriptor, open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    except Uncovered as error:
        raise _Unusable(str(error)) from error
    except FileNotFoundError:
        raise _Unusable("the run did not write it") from None
    except OSError as error:
        raise _Unusable(error.strerror or str(error)) from error
    if len(data) > MAX_BYTES:
        raise _Unusable(f"it is larger than {MAX_BYTES >> 20} MiB")
    return data


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data, parse_int=_integer, parse_float=_float, parse_constant=_NumberText)
    except RecursionError:
        raise _Unusable("it is nested too deeply") from None
    except ValueError as error:
        raise _Unusable(f"it is not JSON: {error}") from error


def _integer(text: str) -> int | _NumberText:
    if len(text) > _EXACT_DIGITS or abs(int(text)) > _EXACT:
        return _NumberText(text)
    return int(text)


def _float(text: str) -> float | _NumberText:
    value = float(text)
    return value if math.isfinite(value) else _NumberText(text)


def _leaves(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value below ``document`` that is no object, with its dotted name, in the file's order."""
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending.extend((f"{name}.{key}" if name else key, below) for key, below in reversed(value.items()))
        else:
            yield name, value
