"""Files compared by what they hold: JSON, CSV, NumPy's own, Parquet."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projrun.verdict.contents import compare
from projrun.verdict.model import Compared
from projrun.verdict.tally import Incomparable


def found(folder: Path, name: str, before: str | bytes, after: str | bytes) -> Compared:
    paths = folder / "before", folder / "after"
    for path, content in zip(paths, (before, after), strict=True):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return compare(name, *paths)


def array(
    descr: object, shape: tuple[int, ...], items: bytes, *, fortran: bool = False, version: int = 1
) -> bytes:
    """An NPY file, as numpy.lib.format describes it."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + items


def doubles(*numbers: float, shape: tuple[int, ...] | None = None, **more: Any) -> bytes:
    return array("<f8", shape or (len(numbers),), struct.pack(f"<{len(numbers)}d", *numbers), **more)


def by_columns(second: float) -> bytes:
    return doubles(1, second, 3, 4, shape=(2, 2), fortran=True)


def texts(letters: str) -> bytes:
    return array("<U1", (len(letters),), letters.encode("utf-32-le"))


def complex_numbers(*parts: float) -> bytes:
    return array("<c16", (len(parts) // 2,), struct.pack(f"<{len(parts)}d", *parts))


def damaged(kind: int) -> bytes:
    """An NPZ file whose packed bytes are not what they were."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", kind) as archive:
        archive.writestr("a.npy", doubles(*range(1000)))
    data = bytearray(whole.getvalue())
    data[60:90] = bytes(byte ^ 0xFF for byte in data[60:90])
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b'{"a": 1e9999999999999999999999}'),
        ("x.npy", array("", (1,), b"1")),
        ("x.npy", array("<U99999999999999", (1,), b"1")),
        ("x.npy", array("<U9999999999999999999999", (1,), b"1")),
        ("x.npy", doubles(1).replace(b"(1,)", b"(1e999,)")),
        ("x.npz", damaged(zipfile.ZIP_DEFLATED)),
        ("x.npz", damaged(zipfile.ZIP_LZMA)),
        ("x.npz", damaged(zipfile.ZIP_BZIP2)),
    ],
    ids=["exponent", "no kind", "long", "longer", "endless", "deflate", "lzma", "bzip2"],
)
def test_what_cannot_be_read_is_said_not_to_be(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises((Incomparable, OSError)):
        found(tmp_path, name, content, content + b" ")


def test_a_complex_number_that_is_half_none_is_compared_by_the_other_half(tmp_path: Path) -> None:
    nan = float("nan")
    assert found(tmp_path, "x.npy", complex_numbers(nan, 1), complex_numbers(nan, 2)).differing == 1
    assert found(tmp_path, "x.npy", complex_numbers(1, nan), complex_numbers(nan, 1)).differing == 1
    assert found(tmp_path, "x.npy", complex_numbers(nan, 1), complex_numbers(nan, 1) + b" ").equal


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(value=JSON)
def test_json_is_the_same_however_it_is_written(tmp_path: Path, value: Any) -> None:
    compact = json.dumps(value, separators=(",", ":"), sort_keys=True)
    assert found(tmp_path, "a.json", json.dumps(value, indent=3, ensure_ascii=False), compact).equal


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(value=JSON, numbers=st.lists(st.integers(), min_size=2, max_size=2, unique=True))
def test_one_other_number_anywhere_is_found(tmp_path: Path, value: Any, numbers: list[int]) -> None:
    before, after = (json.dumps([value, {"deep": [number, value]}]) for number in numbers)
    result = found(tmp_path, "a.json", before, after)
    assert (result.differing, result.where, result.shape) == (1, "[1].deep[0]", "")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.json", '{"a": 1, "b": [0.10]}', '{"b":[1e-1],"a":1.0}'),
        ("a.json", "[NaN, Infinity]", "[NaN,Infinity]"),
        ("a.jsonl", '{"a":1}\n{"b":2}\n', '{"a": 1}\n{"b": 2.0}\n'),
        ("a.csv", "a,b\n1,2\n", 'a,b\r\n"1",2.0\r\n'),
        ("a.csv", "\ufeffa;b\n1;nan\n", "a;b\n1;NaN\n"),
        ("a.tsv", "a\tb\n", "a\tb\r\n"),
        ("a.npy", doubles(1.0, float("nan"), -0.0), doubles(1.0, -float("nan"), 0.0)),
        ("a.npy", doubles(1.0, 2.0), doubles(1.0, 2.0, version=2)),
        ("a.npy", doubles(1.0, 2.0, shape=(2, 1)), doubles(1.0, 2.0, shape=(2, 1), fortran=True)),
    ],
)
def test_other_bytes_can_hold_the_same(tmp_path: Path, name: str, before: str | bytes, after: str | bytes) -> None:
    assert found(tmp_path, name, before, after).equal


@pytest.mark.parametrize(
    ("name", "before", "after", "differing", "largest", "where"),
    [
        ("a.json", '{"a": [1, 2.5], "b": 1}', '{"a": [1, 2.75], "b": 1.125}', 2, 0.25, "a[1]"),
        ("a.json", '[1, "1"]', "[1, 1]", 1, None, "[1]"),
        ("a.json", "[true]", "[1]", 1, None, "[0]"),
        ("a.json", "[1]", "[NaN]", 1, None, "[0]"),
        ("a.json", "[9007199254740993]", "[9007199254740992]", 1, 1.0, "[0]"),
        ("a.json", "1", "2", 1, 1.0, "the value"),
        ("a.ndjson", '{"a":1}\n{"b":2}\n', '{"a":1}\n{"b":4}\n', 1, 2.0, "line 2.b"),
        ("a.csv", "x,y\n1,2\n3,a\n", "x,y\n1.5,2\n3,b\n", 2, 0.5, "row 2, column x"),
        ("a.csv", "id\n08\n", "id\n8\n", 1, None, "row 2, column id"),
        ("a.npy", doubles(1, 2, 3, 4, shape=(2, 2)), doubles(1, 2, 3, 5, shape=(2, 2)), 1, 1.0, "[1, 1]"),
        ("a.npy", by_columns(2), by_columns(9), 1, 7.0, "[1, 0]"),
        ("a.npy", array("|u1", (3,), b"\x00\x01\x02"), array("|u1", (3,), b"\x00\xff\x02"), 1, 254.0, "[1]"),
        ("a.npy", array(">i4", (1,), b"\0\0\0\1"), array(">i4", (1,), b"\0\0\0\3"), 1, 2.0, "[0]"),
        ("a.npy", array("<f2", (), b"\x00\x3c"), array("<f2", (), b"\x00\x40"), 1, 1.0, "[]"),
        ("a.npy", texts("ab"), texts("ac"), 1, None, "[1]"),
        ("a.npy", complex_numbers(3, 0), complex_numbers(3, 4), 1, 4.0, "[0]"),
    ],
)
def test_what_differs_is_counted_and_the_largest_difference_told(
    tmp_path: Path, name: str, before: str, after: str, differing: int, largest: float | None, where: str
) -> None:
    result = found(tmp_path, name, before, after)
    assert (result.differing, result.largest_absolute, result.where) == (differing, largest, where)
    assert not result.equal


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        ("a.json", '{"a": 1}', '{"a": 1, "b": 2}', "b is only in one of them"),
        ("a.json", "[1, 2]", "[1]", "2 items in one, 1 in the other"),
        ("a.jsonl", "1\n", "1\n2\n", "one has 1 lines"),
        ("a.csv", "a\n1\n", "a\n1\n2\n", "one has 2 rows"),
        ("a.csv", "a,b\n1,2\n", "a,b\n1\n", "row 2 has 2 cells in one, 1 in the other"),
        ("a.npy", doubles(1.0), doubles(1.0, 2.0), "<f8 1 in one, <f8 2 in the other"),
        ("a.npy", doubles(1.0), array("<f4", (1,), b"\0\0\0\0"), "<f8 1 in one, <f4 1 in the other"),
    ],
)
def test_what_is_not_made_alike_is_told(tmp_path: Path, name: str, before: str, after: str, told: str) -> None:
    result = found(tmp_path, name, before, after)
    assert told in result.shape
    assert not result.equal


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.json", "{", "not JSON that can be read"),
        ("a.json", '{"a": 1, "a": 2}', "has a key twice"),
        ("a.json", "[" * 100_000, "not JSON that can be read"),
        ("a.npy", b"no array", "does not begin as an NPY file does"),
        ("a.npy", doubles(1.0)[:-1], "cut off"),
        ("a.npy", array("|O", (1,), b"cposix\nsystem\n"), "records or objects"),
        ("a.npy", array("<f16", (1,), bytes(16)), "<f16, which is not compared"),
        ("a.npy", array([("a", "<f8")], (1,), bytes(8)), "records or objects"),
        ("a.npz", b"no archive", "not NPZ that can be read"),
        ("a.bin", b"", ".bin is no format"),
        ("model", b"", "a file without a suffix"),
    ],
)
def test_what_cannot_be_compared_says_why(tmp_path: Path, name: str, content: str | bytes, why: str) -> None:
    other = content + (b" " if isinstance(content, bytes) else " ")  # type: ignore[operator]
    with pytest.raises(Incomparable, match=why):
        found(tmp_path, name, content, other)


def test_arrays_stored_by_rows_and_by_columns_are_not_mixed_up(tmp_path: Path) -> None:
    by_rows = doubles(1, 2, 3, 4, shape=(2, 2))
    with pytest.raises(Incomparable, match="by columns"):
        found(tmp_path, "a.npy", by_rows, by_columns(2))


def archive(path: Path, arrays: dict[str, bytes], compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in arrays.items():
            file.writestr(f"{name}.npy", data)
    return path


def test_an_archive_of_arrays_is_compared_array_by_array(tmp_path: Path) -> None:
    arrays = {"x": doubles(*range(300_000)), "y": doubles(1.0)}
    stored = archive(tmp_path / "stored", arrays, zipfile.ZIP_STORED)
    packed = archive(tmp_path / "packed", arrays, zipfile.ZIP_DEFLATED)
    assert compare("a.npz", stored, packed).equal
    other = archive(tmp_path / "other", {**arrays, "x": doubles(*range(299_999), 7.0)}, zipfile.ZIP_DEFLATED)
    result = compare("a.npz", stored, other)
    assert (result.values, result.differing, result.where) == (300_001, 1, "x[299999]")
    lacking = archive(tmp_path / "lacking", {"x": arrays["x"]}, zipfile.ZIP_STORED)
    assert compare("a.npz", stored, lacking).shape == "array y is only in one of them"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(numbers=st.lists(st.floats(), min_size=1), other=st.floats(), at=st.integers(0, 99))
def test_an_array_with_one_other_item_has_one_difference(
    tmp_path: Path, numbers: Sequence[float], other: float, at: int
) -> None:
    changed = list(numbers)
    changed[at % len(numbers)] = other
    old = numbers[at % len(numbers)]
    same = old == other or (old != old and other != other)
    result = found(tmp_path, "a.npy", doubles(*numbers), doubles(*changed))
    assert (result.values, result.differing) == (len(numbers), 0 if same else 1)


def test_parquet_without_its_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(Incomparable, match="pyarrow, which is not installed"):
        found(tmp_path, "a.parquet", b"PAR1", b"PAR1 ")
