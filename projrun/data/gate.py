"""Inputs checked by a JSON Schema before the run. What was found right once is not checked again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from projrun import __version__
from projrun.core.cache import keep, recall
from projrun.core.errors import DataError, system_reason
from projrun.core.files import read_regular
from projrun.core.json_schema import BadSchema, Validator
from projrun.core.paths import escape_reason
from projrun.core.report import FETCH, Reporter
from projrun.core.values import replace
from projrun.data.model import Fingerprint, SchemaFile
from projrun.data.records import SUFFIXES, is_known, records
from projrun.spec.model import DataEntry

_SHOWN = 10
_BEAT = 1.0  # seconds between two words of how far it is
_LARGEST_SCHEMA = 10_000_000  # bytes
_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "empty",
    "array": "a list",
    "object": "an object",
}


def checked(
    entries: Sequence[DataEntry], found: Sequence[Fingerprint], root: Path, cache: Path, report: Reporter
) -> tuple[Fingerprint, ...]:
    """The inputs, with the schemas that they were found to keep to.

    Raises DataError that lists what does not, with its rows, or for a schema that cannot be used.
    """
    by_name = {entry.name: entry for entry in entries}
    return tuple(_checked(by_name.get(one.name), one, root, cache, report) for one in found)


def _checked(
    entry: DataEntry | None, found: Fingerprint, root: Path, cache: Path, report: Reporter
) -> Fingerprint:
    if entry is None or entry.schema is None:
        return found
    data = _read(entry, root)
    used = SchemaFile(entry.schema, hashlib.sha256(data).hexdigest())
    key = hashlib.sha256(f"{__version__} {used.sha256} {found.sha256} {found.path}".encode()).hexdigest()
    place = cache / "schemas" / f"{key}.json"
    if recall(place, lambda value: value["right"]) is not True:
        schema, validator = _validator(entry, data)
        report.phase("data", f"checking {found.path} by {entry.schema}")
        _check(entry, found, root, _Judge(schema, validator, report))
        keep(place, {"right": True})
    return replace(found, schema=used)


def _read(entry: DataEntry, root: Path) -> bytes:
    path = str(entry.schema)
    hint = f"put it there, or mend data.{entry.name}.schema"
    if reason := escape_reason(root, path):
        raise DataError(f"the schema {path!r} is not a path inside the project", why=reason, hint=hint)
    try:
        return read_regular(root / path, _LARGEST_SCHEMA)
    except OSError as error:
        why = system_reason(error, path)
        raise DataError(f"the schema of data {entry.name!r} cannot be read", why=why, hint=hint) from None


def _validator(entry: DataEntry, data: bytes) -> tuple[Any, Validator]:
    try:
        schema = json.loads(data)
        return schema, Validator(schema)
    except (ValueError, RecursionError, BadSchema) as error:
        raise _bad(entry, str(error)) from None


def _bad(entry: DataEntry, why: str) -> DataError:
    hint = "projrun check tells when it is mended"
    return DataError(f"the schema of data {entry.name!r} cannot be used: {entry.schema}", why=why, hint=hint)


class _Judge:
    """Tells what is wrong in files, and how far it is when that takes long."""

    def __init__(self, schema: Any, validator: Validator, report: Reporter) -> None:
        self._schema = schema
        self._validator = validator
        self._report = report
        self._told = time.monotonic()
        self._count = 0

    def violations(self, path: Path) -> Iterator[str]:
        """Raises OSError and BadSchema."""
        for record in records(path, self._schema):
            self._tell()
            if record.fault:
                yield _placed(record.place, record.fault)
                continue
            is_row = record.place.startswith("row")
            for error in self._validator.errors(record.value):
                yield from (_placed(record.place, text) for text in _texts(error, is_row=is_row))

    def _tell(self) -> None:
        self._count += 1
        if time.monotonic() - self._told > _BEAT:
            self._told = time.monotonic()
            self._report.write(FETCH, f"Checking data: {self._count:,} records\r".encode())


def _check(entry: DataEntry, found: Fingerprint, root: Path, judge: _Judge) -> None:
    paths = found.members or (found.path,)
    odd = [path for path in paths if not is_known(path)]
    if found.kind == "directory" or odd:
        raise DataError(
            f"data {entry.name!r} cannot be checked by a schema: {(odd or [found.path])[0]}",
            why=f"a schema is for files whose names end in {', '.join(SUFFIXES)}",
            hint=f"name them in data.{entry.name}.path (data/*.csv names several), or take schema out of it",
        )
    told: list[str] = []
    count = 0
    try:
        for path in paths:
            for violation in judge.violations(root / path):
                count += 1
                if count <= _SHOWN:
                    told.append(f"{path}: {violation}")
    except BadSchema as error:
        raise _bad(entry, str(error)) from None
    except OSError as error:
        why = system_reason(error, found.path)
        raise DataError(f"{found.path!r} cannot be read", why=why, hint=f"ls -l {quote(found.path)}") from error
    if count:
        more = [f"and {count - _SHOWN:,} more"] if count > _SHOWN else []
        raise DataError(
            f"input {found.name!r} does not keep to its schema, {entry.schema}, in {count:,} "
            + ("place" if count == 1 else "places"),
            why="\n".join([*told, *more]),
            hint=f"mend the data; if it is right, mend {entry.schema}",
        )


def _placed(place: str, text: str) -> str:
    return f"{place}: {text}" if place else text


def _texts(error: Any, *, is_row: bool) -> Iterator[str]:
    steps = list(error.absolute_path)
    if is_row and not steps and error.validator == "additionalProperties":
        return  # the header told
    where = f"column {steps[0]!r}: " if is_row and steps else f"{error.json_path}: " if steps else ""
    yield where + _in_words(error)


def _in_words(error: Any) -> str:
    limit, value = error.validator_value, _shown(error.instance)
    words: Mapping[str, str] = {
        "minimum": f"{value} is below {limit}",
        "maximum": f"{value} is above {limit}",
        "exclusiveMinimum": f"{value} is not above {limit}",
        "exclusiveMaximum": f"{value} is not below {limit}",
        "pattern": f"{value} does not match {limit}",
    }
    if error.validator == "required":
        name = str(error.message).rpartition(" is a required property")[0]
        return f"{name} is missing"
    if error.validator == "type":
        kinds = [limit] if isinstance(limit, str) else limit
        return f"{value} is not {' or '.join(_WORDS.get(kind, kind) for kind in kinds)}"
    if error.validator == "enum":
        return f"{value} is none of {_shown(limit)}"
    message = str(error.message)
    return words.get(error.validator) or (message if len(message) <= 200 else f"{message[:197]}...")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
