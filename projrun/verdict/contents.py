"""Two files of one format compared by what they hold, not by their bytes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

from projrun.core.errors import UsageError
from projrun.core.metrics import yaml_values
from projrun.core.parquet import library
from projrun.verdict import arrays
from projrun.verdict.distance import is_nan
from projrun.verdict.model import Compared
from projrun.verdict.tally import Incomparable, Tally

LARGEST_JSON = 64 << 20  # bytes; all of it is held at once
_DELIMITERS = ",;\t|"
_TABLES = frozenset((".csv", ".tsv", ".tab", ".jsonl", ".ndjson"))  # of metrics
_YAML = (".yaml", ".yml")
_BATCH = 1 << 16  # rows
_Reader = Callable[[Path, Path, Tally], None]


def compare(name: str, before: Path, after: Path) -> Compared:
    """What differs between two files, read as the end of ``name`` says.

    JSON and JSON lines, CSV, NPY and NPZ are read here; Parquet takes pyarrow. Nothing that a file holds is
    executed. Raises Incomparable, also for a format that is not known, and OSError.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _READERS:
        raise Incomparable(f"{suffix or 'a file without a suffix'} is no format that is compared by content")
    return _compared(*_READERS[suffix], before, after)


def compare_beside_metrics(name: str, before: Path, after: Path) -> Compared | None:
    """The same of the lists in two files of metrics: what is in no list is a metric, or a text. Raises as well.

    None for a table: all numbers in it are metrics.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _TABLES:
        return None
    if suffix in _YAML:
        return _compared("YAML", partial(_beside_metrics, _whole_yaml), before, after)
    return _compared("JSON", partial(_beside_metrics, _whole), before, after)


def _compared(kind: str, read: _Reader, before: Path, after: Path) -> Compared:
    tally = Tally()
    try:
        read(before, after, tally)
    except (ValueError, ArithmeticError, csv.Error, RecursionError, EOFError, NotImplementedError) as error:
        raise Incomparable(f"it is not {kind} that can be read: {error}") from error
    return tally.result(kind)


def _json(before: Path, after: Path, tally: Tally) -> None:
    walk(_whole(before), _whole(after), "", tally)


def _whole(path: Path) -> Any:
    if path.stat().st_size > LARGEST_JSON:
        raise Incomparable(f"it is larger than {LARGEST_JSON >> 20} MiB")
    return _parsed(path.read_bytes())


def _whole_yaml(path: Path) -> Any:
    if path.stat().st_size > LARGEST_JSON:
        raise Incomparable(f"it is larger than {LARGEST_JSON >> 20} MiB")
    return yaml_values.load(path.read_text(encoding="utf-8-sig"))


def _beside_metrics(read: Callable[[Path], Any], before: Path, after: Path, tally: Tally) -> None:
    walk(_without_metrics(read(before)), _without_metrics(read(after)), "", tally)


def _without_metrics(value: Any) -> Any:
    """Of a JSON value the lists, under their keys: numbers are metrics, and texts say when and where it was."""
    if not isinstance(value, dict):
        return value
    below = {key: _without_metrics(one) for key, one in value.items() if isinstance(one, (dict, list))}
    return {key: one for key, one in below.items() if one != {}}


def _json_lines(before: Path, after: Path, tally: Tally) -> None:
    with before.open("rb") as first, after.open("rb") as second:
        for number, (old, new) in enumerate(zip_longest(first, second), 1):
            if old is None or new is None:
                tally.unlike(f"one has {number - 1} lines, the other more")
                return
            if old != new:
                walk(_parsed(old), _parsed(new), f"line {number}", tally)
            else:
                tally.count(1)


def _parsed(data: bytes) -> Any:
    # Every number is exact, and one that is no JSON (NaN) is one all the same.
    return json.loads(
        data, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=_object
    )


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a key twice")
    return found


def walk(before: Any, after: Any, place: str, tally: Tally) -> None:
    """Compares two JSON values to the deepest."""
    waiting = [(before, after, place)]
    while waiting:
        old, new, here = waiting.pop()
        if isinstance(old, dict) and isinstance(new, dict):
            if keys := sorted(map(str, old.keys() ^ new.keys())):
                tally.unlike(f"{_at(here, keys[0])} is only in one of them")
            waiting += [(old[key], new[key], _at(here, key)) for key in reversed(old) if key in new]
        elif isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                tally.unlike(f"{here or 'the list'} has {len(old)} items in one, {len(new)} in the other")
            pairs = list(zip(old, new, strict=False))
            waiting += [(*pairs[index], f"{here}[{index}]") for index in range(len(pairs) - 1, -1, -1)]
        else:
            _leaf(old, new, here, tally)


def _leaf(old: Any, new: Any, here: str, tally: Tally) -> None:
    kinds = [isinstance(one, (Decimal, int, float)) and not isinstance(one, bool) for one in (old, new)]
    if all(kinds):
        tally.pair(old, new, lambda: here or "the value")
        return
    tally.count(1)
    if type(old) is not type(new) or old != new:  # "1" is not 1, and true is no number
        tally.other(lambda: here or "the value")


def _at(place: str, key: str) -> str:
    return f"{place}.{key}" if place else str(key)


def _csv(before: Path, after: Path, tally: Tally) -> None:
    delimiter = _delimiter(before)
    with _text(before) as first, _text(after) as second:
        rows = zip_longest(csv.reader(first, delimiter=delimiter), csv.reader(second, delimiter=delimiter))
        header: list[str] = []
        for number, (old, new) in enumerate(rows, 1):
            if old is None or new is None:
                tally.unlike(f"one has {number - 1} rows, the other more")
                return
            header = header or old
            if len(old) != len(new):
                tally.unlike(f"row {number} has {len(old)} cells in one, {len(new)} in the other")
            if old == new:
                tally.count(len(old))
            else:
                for column, pair in enumerate(zip(old, new, strict=False)):
                    tally.pair(*pair, _cell(number, column, header))


def _cell(row: int, column: int, header: Sequence[str]) -> Callable[[], str]:
    named = header[column] if column < len(header) and row > 1 else ""
    return lambda: f"row {row}, column {named or column + 1}"


def _delimiter(path: Path) -> str:
    with _text(path) as file:
        first = file.readline(1 << 16)
    return max(_DELIMITERS, key=first.count)


def _text(path: Path) -> Any:
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _parquet(before: Path, after: Path, tally: Tally) -> None:
    try:
        parquet = library()
    except UsageError:
        raise Incomparable(
            "Parquet is read by pyarrow, which is not installed beside projrun (its extra: parquet)"
        ) from None
    first, second = parquet.ParquetFile(before), parquet.ParquetFile(after)
    with first, second:
        names = first.schema_arrow.names
        if names != second.schema_arrow.names:
            tally.unlike(f"the columns are {', '.join(names)} and {', '.join(second.schema_arrow.names)}")
        for name in names:
            if name in second.schema_arrow.names:
                _column(name, _values(first, name), _values(second, name), tally)


def _values(file: Any, name: str) -> Iterator[Any]:
    for batch in file.iter_batches(_BATCH, columns=[name]):
        yield from batch.column(0).to_pylist()


_END = object()


def _column(name: str, before: Iterator[Any], after: Iterator[Any], tally: Tally) -> None:
    for row, (old, new) in enumerate(zip_longest(before, after, fillvalue=_END), 1):
        if old is _END or new is _END:
            tally.unlike(f"one has {row - 1} rows, the other more")
            return
        if _is_same(old, new):
            tally.count(1)
        else:
            walk(old, new, f"row {row}, column {name}", tally)


def _is_same(old: Any, new: Any) -> bool:
    return type(old) is type(new) and (old == new or (isinstance(old, float) and is_nan(old) and is_nan(new)))


_READERS: dict[str, tuple[str, _Reader]] = {
    ".json": ("JSON", _json),
    ".jsonl": ("JSON lines", _json_lines),
    ".ndjson": ("JSON lines", _json_lines),
    ".csv": ("CSV", _csv),
    ".tsv": ("CSV", _csv),
    ".npy": ("NPY", arrays.npy),
    ".npz": ("NPZ", arrays.npz),
    ".parquet": ("Parquet", _parquet),
}
