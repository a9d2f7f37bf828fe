"""What NumPy and pyarrow themselves write is compared. Both are in requirements-dev.lock: nothing is skipped."""

from __future__ import annotations

import datetime as dt
import decimal
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from projrun.verdict.contents import compare
from projrun.verdict.model import Compared

# Not by an import statement: their type stubs are of a newer Python than the oldest that is checked for.
numpy: Any = importlib.import_module("numpy")
pyarrow: Any = importlib.import_module("pyarrow")
parquet: Any = importlib.import_module("pyarrow.parquet")

INTEGERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
REALS = ("float16", "float32", "float64", ">f8", ">i4", "complex64", "complex128")


def saved(folder: Path, name: str, save: Callable[..., None], before: Any, after: Any) -> Compared:
    """What differs between two values that ``save`` writes to files."""
    places = folder / "before", folder / "after"
    for place, value in zip(places, (before, after), strict=True):
        with place.open("wb") as file:
            save(file, value)
    return compare(name, *places)


@pytest.mark.parametrize("kind", (*INTEGERS, *REALS))
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_kind_of_number(tmp_path: Path, kind: str, order: str) -> None:
    first = numpy.asarray(numpy.arange(12).reshape(3, 4) % 2, dtype=kind, order=order)
    second = first.copy(order="K")
    assert saved(tmp_path, "a.npy", numpy.save, first, second).equal
    second[2, 1] = not second[2, 1] if kind == "bool" else second[2, 1] + 2
    result = saved(tmp_path, "a.npy", numpy.save, first, second)
    assert (result.values, result.differing, result.where) == (12, 1, "[2, 1]")
    assert result.largest_absolute == (1 if kind == "bool" else 2)


@pytest.mark.parametrize(
    ("before", "after", "equal"),
    [
        (["a", "bc"], ["a", "bc"], True),
        (["a", "bc"], ["a", "bd"], False),
        ([b"a", b"b"], [b"a", b"c"], False),
        (["2020-01-01"], ["2020-01-02"], False),
        ([float("nan"), float("inf"), 0.0], [float("nan"), float("inf"), -0.0], True),
        ([], [], True),
        (5.0, 5.0, True),
        (5.0, 5.5, False),
    ],
)
def test_arrays_of_texts_dates_nothing_and_one_number(
    tmp_path: Path, before: Any, after: Any, equal: bool
) -> None:
    of_dates = isinstance(before, list) and before and str(before[0]).startswith("2020")
    kind = "datetime64[D]" if of_dates else None
    arrays = numpy.array(before, dtype=kind), numpy.array(after, dtype=kind)
    assert saved(tmp_path, "a.npy", numpy.save, *arrays).equal is equal


@pytest.mark.parametrize("save", ["savez", "savez_compressed"])
def test_archives_of_arrays(tmp_path: Path, save: str) -> None:
    def write(file: Any, value: Any) -> None:
        getattr(numpy, save)(file, weights=value, names=numpy.array(["a"]))

    first = numpy.linspace(0, 1, 100_000).reshape(1000, 100)
    second = first.copy()
    second[999, 99] += 0.25
    second[3, 7] -= 0.125
    assert saved(tmp_path, "a.npz", write, first, first).equal
    result = saved(tmp_path, "a.npz", write, first, second)
    assert (result.differing, result.largest_absolute, result.where) == (2, 0.25, "weights[999, 99]")


def table(rate: float, **more: Any) -> Any:
    columns = {
        "name": ["a", "b", None],
        "rate": [float("nan"), rate, 1.0],
        "day": [dt.date(2020, 1, 1)] * 3,
        "at": [dt.datetime(2020, 1, 1, 12, 30, tzinfo=dt.timezone.utc)] * 3,
        "price": [decimal.Decimal("1.10"), None, decimal.Decimal("2.20")],
        "list": [[1, 2], [], None],
        "pair": [{"x": 1, "y": "z"}] * 3,
        "kind": pyarrow.array(["u", "v", "u"]).dictionary_encode(),
        **more,
    }
    return pyarrow.table(columns)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"row_group_size": 1}, {"row_group_size": 3}),
        ({"compression": "zstd"}, {"compression": "none"}),
        ({"use_dictionary": True}, {"use_dictionary": False, "data_page_version": "2.0"}),
    ],
)
def test_parquet_is_compared_column_by_column_however_it_was_written(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    parquet.write_table(table(0.5), tmp_path / "before", **before)
    parquet.write_table(table(0.5), tmp_path / "same", **after)
    parquet.write_table(table(0.75), tmp_path / "after", **after)
    assert compare("a.parquet", tmp_path / "before", tmp_path / "same").equal
    result = compare("a.parquet", tmp_path / "before", tmp_path / "after")
    assert (result.differing, result.largest_absolute, result.where) == (1, 0.25, "row 2, column rate")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"day": [dt.date(2020, 1, 1)] * 2 + [dt.date(2021, 1, 1)]}, "row 3, column day"),
        ({"price": [decimal.Decimal("1.10"), decimal.Decimal("0"), decimal.Decimal("2.20")]}, "row 2"),
        ({"list": [[1, 2], [], [3]]}, "row 3, column list"),
        ({"list": [[1, 4], [], None]}, "row 1, column list[1]"),
        ({"pair": [{"x": 1, "y": "z"}] * 2 + [{"x": 1, "y": "w"}]}, "row 3, column pair.y"),
        ({"kind": pyarrow.array(["u", "v", "v"]).dictionary_encode()}, "row 3, column kind"),
        ({"name": ["a", "b", ""]}, "row 3, column name"),
    ],
)
def test_a_cell_of_any_type_that_differs_is_found(tmp_path: Path, more: dict[str, Any], where: str) -> None:
    result = saved(
        tmp_path, "a.parquet", lambda file, one: parquet.write_table(one, file), table(1), table(1, **more)
    )
    assert result.differing == 1 and result.where.startswith(where)


def test_parquet_with_other_columns_or_rows_says_so(tmp_path: Path) -> None:
    def write(file: Any, value: Any) -> None:
        parquet.write_table(value, file)

    assert "columns" in saved(tmp_path, "a.parquet", write, table(1), table(1, more=[1, 2, 3])).shape
    assert "rows" in saved(tmp_path, "a.parquet", write, table(1), table(1).slice(0, 2)).shape
