"""Declared data with its fingerprint."""

from __future__ import annotations

from projrun.core.values import Struct


class SchemaFile(Struct, frozen=True):
    """A JSON Schema that data was found to keep to: its path in the project and its digest."""

    path: str
    sha256: str


class Fingerprint(Struct, frozen=True):
    """A file or directory as it was found.

    ``path`` is as declared; ``kind`` is ``file``, ``directory``, ``glob`` (the files that a pattern names),
    ``missing`` or (an output only) ``unreadable``; ``size`` is in bytes (of all files, for several) and ``files``
    counts them. ``sha256`` of a directory or of several files is their digest of :mod:`projrun.data.tree`. ``pin``
    is the sha256 the spec demands.
    ``stale`` marks an output that the run did not write (it was there before, untouched). ``copied`` marks an
    input that came to a private checkout from the user's own directory; ``seen`` is a mark of what its stat values
    were when it was hashed, which began at ``hashed`` (nanoseconds since the epoch); ``kept`` is the store's
    object of it, ``unkept`` why an input that should be kept is not; ``schema`` what it was checked by.
    ``members`` are the files that a pattern names; ``url`` is where it can be fetched.
    """

    name: str
    path: str
    kind: str
    size: int = 0
    files: int = 0
    sha256: str | None = None
    pin: str | None = None
    stale: bool = False
    copied: bool = False
    seen: str | None = None
    kept: str | None = None
    hashed: int = 0
    unkept: str = ""
    schema: SchemaFile | None = None
    members: tuple[str, ...] = ()
    url: str | None = None


class ChangedInput(Struct, frozen=True):
    """An input that a run left behind other than it was ``before``; ``kind`` and ``sha256`` are what it is now.

    ``kind`` may be ``missing`` or ``unreadable`` here; ``detail`` says for people what changed.
    """

    before: Fingerprint
    kind: str
    detail: str
    sha256: str | None = None
    size: int = 0


class Metric(Struct, frozen=True):
    """A number or truth value the run reported, by its dotted name.

    ``value`` is text where JSON or a double could not hold the number: ``NaN``, ``Infinity``, ``-Infinity``,
    a number beyond the doubles (``1e400``), an integer beyond 2**53. ``file`` is the path as declared,
    or PROJRUN_METRICS for what the program reported while it ran.
    """

    name: str
    value: bool | int | float | str
    file: str
