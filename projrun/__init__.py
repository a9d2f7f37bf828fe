"""projrun runs projects that declare what they need, and keeps the recipe of every run.

As a library: :class:`Store` has the runs, :func:`run` starts one, :func:`reproduce` does one again. What is named
here is the public interface; it is imported when it is used.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # what a checker takes for true; typing itself is slow to import

if TYPE_CHECKING:
    from projrun.api.parts import Line, Log, Metrics, Output, Series
    from projrun.api.run import Run
    from projrun.api.running import Reproduction, reproduce, run
    from projrun.api.runs import Runs
    from projrun.api.store import Store
    from projrun.core.errors import (
        DataError,
        EngineFailure,
        EnvironmentFailure,
        ProjrunError,
        SourceError,
        SpecError,
        StoreError,
        StrictRefusal,
        UsageError,
    )
    from projrun.stopping import Interrupted

_ERRORS = ("DataError", "EngineFailure", "EnvironmentFailure", "ProjrunError", "SourceError", "SpecError")
# Where each public name is: importing projrun imports none of them (PEP 562).
_HOMES = {
    **dict.fromkeys(("Reproduction", "reproduce", "run"), "projrun.api.running"),
    **dict.fromkeys(("Line", "Log", "Metrics", "Output", "Series"), "projrun.api.parts"),
    "Run": "projrun.api.run",
    "Runs": "projrun.api.runs",
    "Store": "projrun.api.store",
    **dict.fromkeys((*_ERRORS, "StoreError", "StrictRefusal", "UsageError"), "projrun.core.errors"),
    "Interrupted": "projrun.stopping",
}

__all__ = [
    "DataError",
    "EngineFailure",
    "EnvironmentFailure",
    "Interrupted",
    "Line",
    "Log",
    "Metrics",
    "Output",
    "ProjrunError",
    "Reproduction",
    "Run",
    "Runs",
    "Series",
    "SourceError",
    "SpecError",
    "Store",
    "StoreError",
    "StrictRefusal",
    "UsageError",
    "__version__",
    "reproduce",
    "run",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'projrun' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
