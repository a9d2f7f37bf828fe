"""JSON lines of metrics -> points. One line is one measurement, or several of one step.

{"name": "loss", "value": 0.25, "step": 3, "time": 1700000000.5}
{"name": "val", "value": {"loss": 0.5, "acc": 0.9}, "step": 3}       val.loss, val.acc
{"step": 3, "loss": 0.25, "acc": 0.9}                                loss, acc
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from projrun.core.files import open_plain
from projrun.core.metrics.numbers import EXACT, Value, as_value, leaves, loads, unfit_name

BLOCK = 1 << 20
LONGEST_LINE = 1 << 20  # characters
_HELD = 4 * LONGEST_LINE  # bytes that are more characters for sure
LONGEST_NUMBER = 1000  # characters
_KEPT_OF_OVERLONG = 1000

Step = int | float
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class Unfit(Exception):
    """Why a line is no metric."""


class Overlong(str):
    """The beginning of a line that is too long to be held; ``size`` in bytes, ``whole``: its end was seen."""

    size = 0
    whole = False


class Unended(str):
    """A last line without its line end."""

    __slots__ = ()


class Point(NamedTuple):
    """One value of a metric. ``step`` None: to be counted."""

    name: str
    value: Value
    step: Step | None = None
    time: float | None = None


class Block(NamedTuple):
    """Lines that follow each other; ``first`` is the number of the first, from 1; ``end`` is where they end."""

    first: int
    lines: list[str]
    end: int


def open_regular(path: Path) -> BinaryIO:
    """A file to be read: no link, pipe or device, which a program can put there too. Raises OSError."""
    return open(open_plain(path), "rb", buffering=0)


def blocks(file: BinaryIO, *, end: int, first: int = 1, ended: bool = True) -> Iterator[Block]:
    """The whole lines of a file from where it stands up to the byte ``end``, in blocks of bounded size.

    ``ended``: nobody writes any more, so that a last line without a line end is one too, as Unended. A line too
    long to be held comes as Overlong. Lines that are not UTF-8 hold surrogates.
    """
    at = file.tell()
    rest = b""
    while at < end and (data := file.read(min(BLOCK, end - at))):
        at += len(data)
        data = rest + data
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            lines = _text(data[: cut - 1]).split("\n")
            yield Block(first, lines, at - len(rest))
            first += len(lines)
        if len(rest) > _HELD:
            line, at = _overlong(file, rest, at, end)
            rest = b""
            if not (line.whole or ended):
                return
            yield Block(first, [line], at)
            first += 1
    if rest and ended:
        yield Block(first, [Unended(_text(rest))], at)


def _overlong(file: BinaryIO, begun: bytes, at: int, end: int) -> tuple[Overlong, int]:
    """Skips the rest of a line; gives its beginning, and where the file stands then."""
    line = Overlong(_text(begun[:_KEPT_OF_OVERLONG]))
    line.size = len(begun)
    while at < end and (data := file.read(min(BLOCK, end - at))):
        line_end = data.find(b"\n")
        if line_end >= 0:
            line.size += line_end
            line.whole = True
            return line, file.seek(at + line_end + 1)
        line.size += len(data)
        at += len(data)
    return line, at


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="surrogateescape")


def points_of(line: str) -> tuple[Point, ...]:
    """The points of a line, none for a blank one. Raises Unfit for one that is no metric."""
    if isinstance(line, Overlong) or len(line) > LONGEST_LINE:
        size = line.size if isinstance(line, Overlong) else len(line)
        raise Unfit(f"it is longer than {LONGEST_LINE:,} characters: {size:,}")
    text = line.removeprefix("\ufeff").strip(" \t\r\n")
    if not text:
        return ()
    found = _object(line, text)
    step, time = _step(found), _time(found)
    values = _named(found) if "name" in found or "value" in found else _several(found)
    for name, value in values:
        if reason := unfit_name(name):
            raise Unfit(reason)
        if isinstance(value, str) and len(value) > LONGEST_NUMBER:
            raise Unfit(f"a number of {len(value):,} characters is longer than {LONGEST_NUMBER:,}")
    return tuple(Point(name, value, step, time) for name, value in values)


def _object(line: str, text: str) -> dict[str, Any]:
    if _NOT_UTF8.search(text):
        raise Unfit("it is not UTF-8")
    try:
        found = loads(text)
    except RecursionError:
        raise Unfit("it is nested too deeply") from None
    except ValueError as error:
        cut = "it is cut off: the last line, without its end; " if isinstance(line, Unended) else ""
        raise Unfit(f"{cut}it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Unfit("it is no JSON object")
    return found


def _named(found: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """Of a line with ``name`` and ``value``."""
    if "name" not in found or "value" not in found:
        raise Unfit("it has no name" if "name" not in found else "it has no value")
    name = found["name"]
    if not isinstance(name, str):
        raise Unfit("its name is no text")
    if reason := unfit_name(name):
        raise Unfit(reason)
    values = []
    for below, leaf in leaves(found["value"], name):
        value = as_value(leaf)
        if value is None:
            raise Unfit(f"its value{_at(below, name)} is {_kind(leaf)}, not a number")
        values.append((below, value))
    if not values:
        raise Unfit("its value is an empty object")
    return values


def _several(found: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """Of a line without: every number in it but step and time. Text, null and lists are passed over."""
    kept = {key: value for key, value in found.items() if key not in ("time", _step_key(found))}
    values = [(name, value) for name, leaf in leaves(kept) if (value := as_value(leaf)) is not None]
    if not values:
        raise Unfit("it has no name and no value")
    return values


def _at(below: str, name: str) -> str:
    return f" {below.removeprefix(f'{name}.')!r}" if below != name else ""


def _kind(leaf: Any) -> str:
    return "null" if leaf is None else "text" if isinstance(leaf, str) else "a list"


def _step_key(found: Mapping[str, Any]) -> str:
    """``step``, and in a line of several metrics that has none ``epoch``."""
    return "step" if "step" in found or "name" in found or "value" in found else "epoch"


def _step(found: Mapping[str, Any]) -> Step | None:
    key = _step_key(found)
    step = found.get(key)
    if step is None:
        return None
    if isinstance(step, bool) or not isinstance(step, (int, float)):
        raise Unfit(f"its {key} is not a number of at most 2**53")
    return whole_step(step)


def whole_step(step: Step) -> Step:
    """A step as it is kept: an integer where it is one, whatever it was written as. Raises Unfit."""
    if not -EXACT <= step <= EXACT:
        raise Unfit("its step is not a number of at most 2**53")
    return int(step) if isinstance(step, float) and step.is_integer() else step


def _time(found: Mapping[str, Any]) -> float | None:
    time = found.get("time")
    if time is None:
        return None
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time):
        raise Unfit("its time is no number of seconds")
    return float(time)
