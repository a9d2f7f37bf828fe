"""Runs as a data frame, by pandas: the one module that knows it. It is the extra ``projrun[pandas]``."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from projrun.core.errors import UsageError
from projrun.store.columns import ANY, BOOL, FLOAT, INT, TEXT, TIME, Column, kind_of, valid_text

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {
    TEXT: "string",
    INT: "Int64",
    FLOAT: "float64",
    BOOL: "boolean",
    TIME: "datetime64[us, UTC]",
    ANY: "object",
}

_ARRAYS = {"d": FLOAT, "q": INT}


def frame(columns: Iterable[Column]) -> pd.DataFrame:
    """A data frame with typed columns: text ``string``, ``Int64``, ``float64``, ``boolean``, times in UTC.

    What one of these types would lose is in a column of Python's own values. Raises UsageError that says what to
    install when pandas is not there.
    """
    library = _pandas()
    found = {one.name: library.Series(_values(one), dtype=_TYPES[one.kind]) for one in columns}
    made: pd.DataFrame = library.DataFrame(found)
    return made


def points_frame(steps: Sequence[Any], values: Sequence[Any], times: Sequence[float] | None) -> pd.DataFrame:
    """A data frame of a metric's points: ``step``, ``value``, and ``time`` in UTC where any is told."""
    library = _pandas()
    found = {
        "step": library.Series(steps, dtype=_type(steps)),
        "value": library.Series(values, dtype=_type(values)),
    }
    if times is not None:
        found["time"] = library.to_datetime(library.Series(times, dtype="float64"), unit="s", utc=True)
    made: pd.DataFrame = library.DataFrame(found)
    return made


def _type(numbers: Sequence[Any]) -> str:
    kind = _ARRAYS[numbers.typecode] if isinstance(numbers, array) else kind_of(numbers)
    return _TYPES[kind]


def _pandas() -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise UsageError(
            "a data frame is made by pandas, which is not installed beside projrun",
            why=str(error),
            hint="install it where projrun is: pip install 'projrun[pandas]'",
        ) from error
    return pd


def _values(column: Column) -> list[Any]:
    if column.kind == TEXT:
        return [value if value is None else valid_text(value) for value in column.exact]
    return list(column.exact)
