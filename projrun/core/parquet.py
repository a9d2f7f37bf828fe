"""Parquet files, by pyarrow: the one module that knows it. It is the extra ``projrun[parquet]``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from projrun.core.errors import UsageError

_TYPES = {"text": "string", "int": "int64", "float": "float64", "bool": "bool_"}


def library() -> Any:
    """``pyarrow.parquet``. Raises UsageError that says what to install."""
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise UsageError(
            "Parquet is written by pyarrow, which is not installed beside projrun",
            why=str(error),
            hint="install it: pip install 'projrun[parquet]'; or choose another format: --format csv",
        ) from error


def write(file: BinaryIO, columns: Iterable[tuple[str, str, Sequence[Any]]]) -> None:
    """Writes a table: each column with its name, its kind and its values; None is null.

    The kinds are ``text``, ``int`` (64 bits), ``float`` (double), ``bool`` and ``time`` (datetime, to the
    microsecond). Raises UsageError when pyarrow is not there.
    """
    parquet, arrow = library(), importlib.import_module("pyarrow")
    names, arrays = [], []
    for name, kind, values in columns:
        type_ = arrow.timestamp("us", "UTC") if kind == "time" else getattr(arrow, _TYPES[kind])()
        names.append(name)
        arrays.append(arrow.array(values, type_, from_pandas=False))
    parquet.write_table(arrow.Table.from_arrays(arrays, names), file)
