"""``projrun run`` as it is mostly typed, read without click: to import that takes as long as a short program.

Nothing is decided here. What is not exactly an option of this table with a word behind it, and whatever could be
a mistake, is left to click, which reads all the same words and says what is wrong with them. A test holds the two
to the same meaning.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from projrun.cli.running import Wish
from projrun.core.regex import regex

_TEXTS = {
    "-e": "entry_point",
    "--entry-point": "entry_point",
    "--environment": "environment",
    "--python": "python",
    "-v": "version",
    "--version": "version",
    "--subdirectory": "subdirectory",
    "--name": "name",
    "--note": "note",
}
_PATHS = {"--params": "params_file", "--store": "store"}
_LISTS = {"-P": "given", "--param": "given", "--tag": "tags"}
_SWITCHES = {
    "--strict": "strict",
    "--allow-unpushed": "allow_unpushed",
    "--allow-download": "allow_download",
    "--offline": "offline",
    "--bring-outputs": "bring_outputs",
    "--twice": "twice",
    "--dry-run": "dry_run",
    "--json": "as_json",
    "-q": "quiet",
    "--quiet": "quiet",
}
_SEED = regex(r"[0-9]{1,9}")  # any of these is one
_OF_VARIABLES = ("PROJRUN_SNAPSHOT_LIMIT", "PROJRUN_KEEP_OUTPUTS")


def plain(words: Sequence[str]) -> Wish | None:
    """What the words after ``projrun`` wish for; None when they are not that plain."""
    if words[:1] != ["run"] or any(name in os.environ for name in _OF_VARIABLES):
        return None
    found: dict[str, Any] = {}
    left = iter(words[1:])
    for word in left:
        if word in _SWITCHES:
            found[_SWITCHES[word]] = True
        elif word.startswith("-") or not word:
            value = next(left, "-")
            if value.startswith("-") or not _take(found, word, value):
                return None
        elif "source" in found:
            return None
        else:
            found["source"] = word
    return Wish(**found)


def _take(found: dict[str, Any], option: str, value: str) -> bool:
    """Whether the option and its value are plain; then they are among what is ``found``."""
    if name := _LISTS.get(option):
        found[name] = (*found.get(name, ()), value)
        return True
    name = _TEXTS.get(option) or _PATHS.get(option) or ("seed" if option == "--seed" else "")
    if not name or name in found or (name == "seed" and not _SEED.fullmatch(value)):
        return False
    found[name] = Path(value) if option in _PATHS else int(value) if name == "seed" else value
    return True
