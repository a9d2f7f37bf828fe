"""What ``projrun run`` does, however its words were read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from projrun.cli.words import clean, pairs, refuse_downloads_offline
from projrun.core.errors import ProjrunError, UsageError
from projrun.core.values import Struct

if TYPE_CHECKING:
    from projrun.cli.screen import Screen
    from projrun.options import Options
    from projrun.runner import Result


class Wish(Struct, frozen=True):
    """The words of the command line, each option by its name; what is not typed is as the options have it."""

    source: str = "."
    entry_point: str | None = None
    environment: str | None = None
    version: str | None = None
    subdirectory: str | None = None
    given: tuple[str, ...] = ()
    params_file: Path | None = None
    seed: int | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None
    store: Path | None = None
    snapshot_limit: int = 100_000_000
    keep_outputs: int = 100_000_000
    strict: bool = False
    allow_unpushed: bool = False
    dirty: str = "flag"
    refused: tuple[str, ...] = ()
    builder: str | None = None
    python: str | None = None
    allow_download: bool = False
    offline: bool = False
    bring_outputs: bool = False
    twice: bool = False
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False


def start(wish: Wish) -> int:
    """Runs what is wished for, or shows what that would be, and gives the exit code."""
    refuse_downloads_offline(offline=wish.offline, allow_download=wish.allow_download)
    options = _options(wish)
    if wish.dry_run and wish.twice:
        raise UsageError("--twice does not go with --dry-run", hint="leave one of them out")
    if wish.dry_run:
        from projrun.cli.plan import show_plan

        show_plan(options, as_json=wish.as_json)
        return 0
    return _run(options, as_json=wish.as_json, quiet=wish.quiet, twice=wish.twice)


def _options(wish: Wish) -> Options:
    from projrun.core.paths import cache_directory, store_directory
    from projrun.options import Options

    return Options(
        source=wish.source,
        entry_point=wish.entry_point,
        environment=wish.environment,
        given=wish.given,
        params_file=wish.params_file,
        seed=wish.seed,
        name=clean(wish.name, "--name") if wish.name is not None else None,
        tags=pairs(wish.tags, "--tag"),
        note=clean(wish.note, "--note") if wish.note is not None else None,
        store=store_directory(wish.store),
        cache=cache_directory(),
        snapshot_limit=wish.snapshot_limit,
        keep_outputs=wish.keep_outputs,
        terminals=() if wish.as_json else _terminals(),
        version=wish.version,
        subdirectory=wish.subdirectory,
        offline=wish.offline,
        builder=wish.builder,
        python=wish.python,
        allow_download=wish.allow_download,
        strict=wish.strict,
        allow_unpushed=wish.allow_unpushed,
        refused=frozenset((*wish.refused, *(("dirty",) if wish.dirty == "refuse" else ()))),
        bring_outputs=wish.bring_outputs,
    )


def _run(options: Options, *, as_json: bool, quiet: bool, twice: bool) -> int:
    from projrun.cli.screen import Screen
    from projrun.starting import run

    screen = Screen(quiet=quiet or (as_json and not sys.stderr.isatty()), data_on_stdout=as_json)
    result = run(options, screen)
    if twice:
        from projrun.cli.twice import do_again

        return do_again(options, result, as_json=as_json, quiet=quiet)
    _tell(result, screen, as_json=as_json, quiet=quiet)
    return result.exit_code


def _tell(result: Result, screen: Screen, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        from projrun.cli.failure import fail
        from projrun.cli.render import print_document

        try:
            print_document(result.document())
        except ProjrunError as error:
            fail(error, as_json=False)  # the run itself is over, and its exit code stands
    elif not quiet:
        from projrun.cli.summary import summarise

        summarise(result, screen)
    elif result.outcome["status"] not in ("finished", "failed") or result.exit_code == ProjrunError.exit_code:
        screen.line(result.outcome["status"], result.outcome["reason"])  # else the exit code would say it alone


def _terminals() -> tuple[str, ...]:
    return tuple(name for name, fd in (("stdout", 1), ("stderr", 2)) if os.isatty(fd))
