"""Where a run runs: in the user's own directory, or in a private checkout that is gone after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from projrun.core.errors import ProjrunError, SpecError, StrictRefusal
from projrun.core.flags import Flag
from projrun.core.values import Struct, replace
from projrun.source import inspect
from projrun.source.model import Source

if TYPE_CHECKING:
    from projrun.core.locks import Held
    from projrun.looking import Ahead
    from projrun.source.mirror import Mirror


class Naming(Struct, frozen=True):
    """What projrun calls the files of a private checkout: who reads it later finds no checkout any more.

    ``places`` are the paths of the checkout, ``name`` the repository and commit that stand for them. Without
    places every text stays as it is.
    """

    places: tuple[str, ...] = ()
    name: str = ""

    def text(self, text: str) -> str:
        """A text of projrun's own."""
        for place in self.places:
            text = text.replace(f"{place}/", f"{self.name}:").replace(place, self.name)
        return text

    def flag(self, flag: Flag) -> Flag:
        """A flag with its texts."""
        return replace(flag, message=self.text(flag.message), mend=self.text(flag.mend))

    def apply(self, error: ProjrunError) -> None:
        """Names the files in an error, in what it lists as well."""
        error.what, error.why, error.hint = self.text(error.what), self.text(error.why), self.text(error.hint)
        error.args = (error.what,)
        if isinstance(error, SpecError):
            error.problems = tuple(replace(one, file=self.text(one.file)) for one in error.problems)
        if isinstance(error, StrictRefusal):
            error.reasons = tuple(map(self.flag, error.reasons))


class Place(Struct, frozen=True):
    """Where the project is looked for (``start``), and whose it is.

    ``local`` is the user's own project directory, None when the source is an address. Of a private checkout:
    ``checkout`` is its root, ``source`` what it holds, ``mirrored`` the mirrors and commits it came from,
    ``told`` what was said while it was made, ``naming`` what its files are called, and ``held`` the locks that
    keep it from being removed. ``ahead`` is a look at the user's own directory that has begun.
    """

    start: Path
    local: Path | None
    checkout: Path | None = None
    source: Source | None = None
    mirrored: tuple[tuple[Mirror, str], ...] = ()
    told: tuple[str, ...] = ()
    naming: Naming = Naming()
    held: tuple[Held, ...] = ()
    ahead: Ahead | None = None

    def look(self, root: Path) -> Source:
        """The source of the project ``root``: what the checkout holds, what a look ahead saw, or sees one now.

        Raises SourceError.
        """
        if self.source is not None:
            return self.source
        if self.ahead is not None and self.ahead.root == root:
            return self.ahead.look.result()
        return inspect.inspect(root)
