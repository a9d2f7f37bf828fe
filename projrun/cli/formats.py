"""A table in a format for other programs: CSV, JSON, Markdown, Parquet."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from projrun.cli.render import number, printable
from projrun.core.files import encode_json

if TYPE_CHECKING:
    from projrun.store.columns import Column

# What a spreadsheet may take a text for that begins so: a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")
# A cell that needs no quotes.
_PLAIN = re.compile(r'[^\s",][^",\r\n]*')
# What Markdown gives a meaning to (CommonMark 0.31, section 2.4: a backslash takes it away).
_MARKED = re.compile(r"([\\`*_{}\[\]<>|&~])")


def csv_bytes(columns: Sequence[Column]) -> bytes:
    """RFC 4180 with ``\\n`` at the end of a line, in UTF-8: a line of names, then a line for each row.

    Values are as they were recorded, and nothing is an empty cell; a text that is empty is ``""``.
    """
    lines = [[_quoted(one.name) for one in columns]]
    lines += [list(row) for row in zip(*(map(_csv_cell, one.values, one.texts) for one in columns), strict=True)]
    return "".join(",".join(line) + "\n" for line in lines).encode(errors="backslashreplace")


def _csv_cell(value: Any, text: str) -> str:
    # The csv module of Python 3.10 has nothing and an empty text for the same.
    return "" if value is None else _quoted(text)


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def formulas(columns: Sequence[Column]) -> int:
    """How many texts of a table a spreadsheet would take for formulas."""
    return sum(
        isinstance(value, str) and _FORMULA.match(value) is not None and not _is_number(value)
        for one in columns
        for value in one.values
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def json_bytes(columns: Sequence[Column]) -> bytes:
    """A list of objects, one for each row, by the names of the columns."""
    names = [one.name for one in columns]
    rows = zip(*(one.values for one in columns), strict=True)
    return encode_json([dict(zip(names, map(json_value, row), strict=True)) for row in rows])


def json_value(value: Any) -> Any:
    """A value as JSON has it: a number that it cannot hold is its text."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def markdown_bytes(columns: Sequence[Column]) -> bytes:
    """A table of GitHub Flavored Markdown (section 4.10), with what Markdown would obey taken as text."""
    rows = [[_MARKED.sub(r"\\\1", printable(one.name)) for one in columns]]
    rows.append(["---:" if one.kind in ("int", "float") else "---" for one in columns])
    cells = [
        [_MARKED.sub(r"\\\1", printable(_short(value, text))) for value, text in _cells(one)] for one in columns
    ]
    rows += [list(row) for row in zip(*cells, strict=True)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).encode(errors="backslashreplace")


def _cells(column: Column) -> Sequence[tuple[Any, str]]:
    return tuple(zip(column.values, column.texts, strict=True))


def _short(value: Any, text: str) -> str:
    return number(value) if isinstance(value, float) else text


def parquet_bytes(columns: Sequence[Column]) -> bytes:
    """A Parquet file; a column of several kinds is text. Raises UsageError when pyarrow is not there."""
    from projrun.core import parquet
    from projrun.store.columns import ANY, TEXT, valid_text

    def plain(one: Column) -> tuple[str, str, Sequence[Any]]:
        if one.kind not in (ANY, TEXT):
            return valid_text(one.name), one.kind, one.exact
        texts = zip(one.values, one.texts, strict=True)
        return valid_text(one.name), TEXT, [None if value is None else valid_text(text) for value, text in texts]

    out = io.BytesIO()
    parquet.write(out, [plain(one) for one in columns])
    return out.getvalue()


WRITERS: Mapping[str, Callable[[Sequence[Column]], bytes]] = {
    "json": json_bytes,
    "csv": csv_bytes,
    "parquet": parquet_bytes,
    "markdown": markdown_bytes,
}
