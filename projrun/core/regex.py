"""Regular expressions that are compiled when they are first used, which takes as long as to import a module.

A run meets few of those that its modules have.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Late:
    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        # Asked once for each: what is found is found without us the next time.
        found = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)
        return found


def regex(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As :func:`re.compile`, later. What is wrong with the text is told at the first use."""
    return cast("re.Pattern[AnyStr]", _Late(text, int(flags)))
