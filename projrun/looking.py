"""The look at the source, which begins as soon as it is known where that is, and is waited for when it matters.

It tells what was there a little earlier than it would otherwise. Whatever changes later is seen by the look after
the run, and flagged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from projrun.core.steps import Begun
from projrun.core.values import Struct
from projrun.options import Options
from projrun.source import inspect
from projrun.source.address import is_address
from projrun.source.model import Source
from projrun.spec.place import project_around


class Ahead(Struct, frozen=True):
    """A look at the project's directory ``root`` that has begun."""

    root: Path
    look: Begun[Source]


@contextlib.contextmanager
def looking(options: Options) -> Iterator[Ahead | None]:
    """A look at the project around the user's directory; None when something else is going to be run."""
    root = _root(options)
    if root is None:
        yield None
        return
    with contextlib.closing(Begun(inspect.inspecting(root))) as look:
        yield Ahead(root, look)


def _root(options: Options) -> Path | None:
    if is_address(options.source) or options.version is not None or options.subdirectory is not None:
        return None
    return project_around(Path(options.source))
