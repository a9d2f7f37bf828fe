"""The run store, as a program sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from projrun.api.given import PathLike, count_or_none, path_text, text, texts
from projrun.api.run import Run
from projrun.api.runs import Runs
from projrun.core.paths import absolute, store_directory
from projrun.core.report import Reporter
from projrun.store import store as kept
from projrun.store.failures import check_kept
from projrun.store.index import RunQuery
from projrun.store.query.parser import parse, parse_sort

_NEWEST = ("-started",)


class Store:
    """The run store at a directory: ``path``, else ``PROJRUN_STORE``, else the user data folder.

    Nothing is read, and nothing made, before it is asked for something. ``report`` hears how far a long look is.
    """

    def __init__(self, path: PathLike | None = None, *, report: Reporter | None = None) -> None:
        self._asked = path is not None
        self._store = kept.Store(store_directory(None if path is None else path_text("path", path)), report)

    @property
    def path(self) -> Path:
        """Its directory."""
        return self._store.path

    @property
    def notices(self) -> tuple[str, ...]:
        """What is to be known of the answers so far: that the index could not be used, say. Usually nothing."""
        return tuple(dict.fromkeys(self._store.index.notices))

    def runs(
        self,
        query: str = "",
        *,
        sort: str | Sequence[str] = _NEWEST,
        limit: int | None = None,
        project: PathLike | None = None,
    ) -> Runs:
        """The runs of a query (``metrics.rmse < 1 and status = "finished"``), the newest first.

        ``sort`` has the fields to sort by, with ``-`` before one for the largest first. ``project`` is a directory
        in a project: its runs alone. The runs are asked for when they are needed; what is wrong with the query is
        told at once. Raises UsageError.
        """
        limit = count_or_none("limit", limit)
        where = text("query", query, 'store.runs("metrics.rmse < 1"), for example')
        keys = texts("sort", sort, 'sort="-metrics.rmse", or sort=["params.depth", "-started"]')
        self._check_there()
        parse(where), parse_sort(keys)
        return Runs(self._store, RunQuery(root=_root(project), where=where, sort=keys, limit=limit))

    def run(self, run: str = "last", *, project: PathLike | None = None) -> Run:
        """One run: by its id, the beginning of one, or ``last``, ``last~1``, ...: of all, or of a ``project``.

        Raises UsageError when there is none, or more than one begins so.
        """
        name = text("run", run, 'store.run("last"), or the beginning of an id')
        self._check_there()
        return Run(self._store, self._store.read(self._store.resolve(name, _root(project))))

    def _check_there(self) -> None:
        if self._asked:
            check_kept(self.path)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"


def _root(project: PathLike | None) -> Path | None:
    """The directory of the project around a directory; that itself where no specification is (any more)."""
    if project is None:
        return None
    from projrun.spec.place import project_around

    place = Path(path_text("project", project))
    return project_around(place) or absolute(place)
