from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from projrun.store.database import put
from projrun.store.opening import in_memory
from tests.store.query_rows import ROWS


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with in_memory() as opened:
        put(opened, ROWS)
        yield opened
