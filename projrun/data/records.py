"""The records of a data file, each with its place: CSV, JSON lines, or one JSON document.

The cells of a CSV file are texts; what a column holds is the schema's to say. A cell is read as what the schema's
``type`` of its column is, as far as it can be: ``integer``, ``number`` and ``boolean`` (true or false). Without
``type`` the values of ``enum`` or ``const`` tell, or a limit of numbers. An empty cell is missing, ``null`` where
that is allowed.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

_CSV = {".csv": ",", ".tsv": "\t"}
_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*_CSV, *_LINES, ".json")
_LARGEST_CELL = 1 << 24
_LONGEST_NUMBER = 3000
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OF_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


class Record(NamedTuple):
    """A value to check, and where it is: ``row 3``. ``fault`` is why there is none, empty when there is one."""

    place: str
    value: Any = None
    fault: str = ""


def is_known(path: str) -> bool:
    """Whether it is one of these kinds, by its name."""
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def records(path: Path, schema: Any) -> Iterator[Record]:
    """What is in a file, one after the other. Raises OSError."""
    suffix = path.suffix.lower()
    try:
        if suffix in _CSV:
            yield from _of_csv(path, _CSV[suffix], schema)
        elif suffix in _LINES:
            yield from _of_lines(path)
        else:
            yield _parsed("", path.read_bytes())
    except UnicodeDecodeError as error:
        yield Record("", fault=f"byte 0x{error.object[error.start]:02x} is not UTF-8")


def _of_lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _parsed(f"line {number}", line)


def _parsed(place: str, data: bytes) -> Record:
    try:
        return Record(place, json.loads(data.decode("utf-8-sig"), parse_constant=_refused))
    except UnicodeDecodeError:
        return Record(place, fault="it is not UTF-8")
    except RecursionError:
        return Record(place, fault="it is nested too deeply")
    except ValueError as error:
        return Record(place, fault=f"it is not JSON: {error}")


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _of_csv(path: Path, delimiter: str, schema: Any) -> Iterator[Record]:
    with _large_cells(), path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        number = 0
        try:
            header = next(rows, [])
            number = 1
            yield from (Record("row 1", fault=fault) for fault in _of_header(header, schema))
            columns = [_reader(name, schema) for name in header]
            for number, cells in enumerate(rows, 2):
                if cells:
                    yield _row(f"row {number}", header, columns, cells)
        except csv.Error as error:
            yield Record(f"row {number + 1}", fault=f"it is not CSV: {error}")


@contextlib.contextmanager
def _large_cells() -> Iterator[None]:
    """The limit is one for the whole process, and others count on what it is."""
    before = csv.field_size_limit(_LARGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _of_header(header: list[str], schema: Any) -> Iterator[str]:
    """What is wrong with the names of the columns; the rows would tell it each."""
    known = schema if isinstance(schema, dict) else {}
    for name in known.get("required", ()):
        if name not in header:
            yield f"there is no column {name!r}"
    for place, name in enumerate(header):
        if name in header[:place]:
            yield f"there are two columns {name!r}"
        if known.get("additionalProperties") is False and not _declared(name, known):
            yield f"the schema has no column {name!r}"


def _row(place: str, header: list[str], columns: list[Callable[[str], Any]], cells: list[str]) -> Record:
    if len(cells) != len(header):
        return Record(place, fault=f"it has {len(cells)} cells, and the header {len(header)}")
    read = {name: column(cell) for name, column, cell in zip(header, columns, cells, strict=True)}
    return Record(place, {name: value for name, value in read.items() if value is not _MISSING})


_MISSING = object()


def _reader(name: str, schema: Any) -> Callable[[str], Any]:
    types = _types(name, schema)

    def read(cell: str) -> Any:
        if not cell:
            return None if "null" in types else _MISSING
        if len(cell) <= _LONGEST_NUMBER:
            if "integer" in types and _INTEGER.fullmatch(cell):
                return int(cell)
            if types & {"integer", "number"} and _NUMBER.fullmatch(cell):
                return int(cell) if _INTEGER.fullmatch(cell) else float(cell)
        if "boolean" in types and cell in _BOOLEANS:
            return _BOOLEANS[cell]
        return cell

    return read


def _types(name: str, schema: Any) -> frozenset[str]:
    """The types that the schema lets a column have."""
    if not isinstance(schema, dict):
        return frozenset()
    of_column = [*_declared(name, schema), schema.get("additionalProperties")]
    column = _followed(of_column[0], schema)
    if not isinstance(column, dict):
        return frozenset()
    declared = column.get("type")
    if declared is not None:
        return frozenset([declared] if isinstance(declared, str) else declared)
    values = [*column.get("enum", ()), *([column["const"]] if "const" in column else [])]
    found = {_type_of(value) for value in values}
    return frozenset(found | ({"number"} if any(word in column for word in _OF_NUMBERS) else set()))


def _declared(name: str, schema: Mapping[str, Any]) -> list[Any]:
    """What a schema says of the column of that name, by its name and by patterns."""
    by_name, by_pattern = schema.get("properties", {}), schema.get("patternProperties", {})
    matching = [column for pattern, column in by_pattern.items() if re.search(pattern, name)]
    return [*([by_name[name]] if name in by_name else []), *matching]


def _followed(column: Any, schema: Mapping[str, Any]) -> Any:
    """What a ``$ref`` within the schema leads to."""
    for _ in range(10):
        reference = column.get("$ref") if isinstance(column, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = schema
        for step in reference[2:].split("/"):
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        column = found
    return column


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "string"
