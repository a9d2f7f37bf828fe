"""The runs of a query, as a program sees them: asked for when they are needed, one by one or as a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from projrun.api.given import texts
from projrun.api.run import Run
from projrun.core.values import replace
from projrun.store.columns import check_known
from projrun.store.index import RunQuery
from projrun.store.row import RunRow

if TYPE_CHECKING:
    import pandas as pd

    from projrun.store.columns import Column
    from projrun.store.query.model import Field
    from projrun.store.store import Store


class Runs(Sequence[Run]):
    """The runs of a query in its order.

    Nothing is asked before something of them is needed; what the first need gives is kept. A slice is asked for by
    itself, so that ``runs[0]`` and ``runs[:10]`` are quick in a store of any size.
    """

    def __init__(self, store: Store, query: RunQuery) -> None:
        self._store = store
        self.query = query

    @cached_property
    def rows(self) -> tuple[RunRow, ...]:
        """The rows of the listing. Raises UsageError for a query that cannot be, and StoreError."""
        return self._store.list_runs(self.query)

    def reload(self) -> Runs:
        """The same query, asked anew."""
        return Runs(self._store, self.query)

    def dataframe(self, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """A row for each run, a typed column for each fact: ``id``, ``started``, ``params.x``, ``metrics.y``, ...

        ``columns`` chooses and orders them. Takes pandas: the extra ``projrun[pandas]``. Raises UsageError for a
        column that no run has, or when pandas is not there.
        """
        from projrun.store.columns import columns_of
        from projrun.store.frames import frame

        return frame(columns_of(self.rows, None if columns is None else self.fields(columns)))

    def fields(self, columns: str | Sequence[str]) -> tuple[Field, ...]:
        """The fields that texts name (``id,params.depth``). Raises UsageError for one that no run has."""
        from projrun.store.query.parser import parse_fields

        fields = tuple(key.field for key in parse_fields(texts("columns", columns, 'columns="id,metrics.rmse"')))
        if any(field.group for field in fields):
            check_known(fields, self._store.index.known_facts())
        return fields

    def grouped(
        self,
        by: str | Sequence[str],
        aggregates: str | Sequence[str] | None = None,
        *,
        sort: str | Sequence[str] = (),
    ) -> tuple[Column, ...]:
        """The runs in groups that are alike in the fields ``by``: a column for each field and each aggregate.

        An aggregate is ``count``, or ``mean``, ``median``, ``min``, ``max``, ``sum`` or ``std`` with a field:
        ``mean:duration``; the default is the count and the mean of every metric. ``sort`` has names of these
        columns, with ``-`` before one for the largest first. Raises UsageError.
        """
        from projrun.store.groups import group_columns

        return group_columns(
            self._store.index,
            self.query,
            texts("by", by, 'by="params.depth"'),
            None if aggregates is None else texts("aggregates", aggregates, 'aggregates="mean:metrics.rmse"'),
            texts("sort", sort, 'sort="-count"'),
        )

    def total(self) -> int:
        """How many there are, whatever the limit; no run is read for that."""
        return self._store.index.count(self.query)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Run: ...

    @overload
    def __getitem__(self, at: slice) -> Runs: ...

    def __getitem__(self, at: int | slice) -> Run | Runs:
        known = "rows" in vars(self)
        if isinstance(at, slice):
            return self._narrowed(at) if not known and _is_forward(at) else self._chosen(self.rows[at])
        if known or at < 0:
            return Run(self._store, self.rows[at])
        found = self._narrowed(slice(at, at + 1)).rows
        if not found:
            raise IndexError(f"there is no run number {at}")
        return Run(self._store, found[0])

    def _narrowed(self, part: slice) -> Runs:
        first = part.start or 0
        bounds = [bound for bound in (part.stop, self.query.limit) if bound is not None]
        limit = max(0, min(bounds) - first) if bounds else None
        return Runs(self._store, replace(self.query, skip=self.query.skip + first, limit=limit))

    def _chosen(self, rows: tuple[RunRow, ...]) -> Runs:
        chosen = Runs(self._store, self.query)
        vars(chosen)["rows"] = rows
        return chosen

    def __iter__(self) -> Iterator[Run]:
        return (Run(self._store, row) for row in self.rows)

    def __repr__(self) -> str:
        asked = f"<Runs of {str(self._store.path)!r}"
        return f"{asked}: {len(self)}>" if "rows" in vars(self) else f"{asked}, not asked yet>"


def _is_forward(part: slice) -> bool:
    bounds: list[Any] = [part.start or 0, part.stop or 0]
    return part.step in (None, 1) and all(bound >= 0 for bound in bounds)
