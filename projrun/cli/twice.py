"""``projrun run --twice``: the run again, and what the two came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projrun.cli.render import print_document
from projrun.cli.screen import Screen
from projrun.cli.summary import summarise
from projrun.cli.verdict import verdict_lines

if TYPE_CHECKING:
    from projrun.options import Options
    from projrun.runner import Result


def do_again(options: Options, first: Result, *, as_json: bool, quiet: bool) -> int:
    """Does a run again that has just ended, tells what came of it, and gives the exit code."""
    from projrun.reproducing import reproduce_at_once

    # The second time what the program prints is no result, and a document of ours is.
    screen = Screen(quiet=quiet or as_json, data_on_stdout=True)
    if not screen.is_quiet:
        summarise(first, screen)
    again = reproduce_at_once(options, first, screen)
    code = again.exit_code if again else first.exit_code
    if as_json:
        print_document({**first.document(), "again": again and again.document(), "exit_code": code})
    elif again is None:
        screen.line("verdict", f"none: {first.outcome['reason'] or first.outcome['status']}; it is not done again")
    elif again.verdict is None:
        screen.line("verdict", f"none: {again.result.outcome['reason']}")
    else:
        for name, text in verdict_lines(again.verdict):
            if not quiet or name == "verdict":
                screen.line(name, text)
        screen.phase("next", f"projrun show {again.result.id} · projrun diff {first.id} {again.result.id}")
    return code
