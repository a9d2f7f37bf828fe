"""``projrun diff``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.options import json_option, store_option
from projrun.cli.render import print_document
from projrun.core.values import as_dict

if TYPE_CHECKING:
    from projrun.comparing import Code, Difference
    from projrun.recipe.comparison import Change
    from projrun.store.run import RunRecord

_COLUMNS = 80
_INDENT = 13  # of the left column, where the names of the layers are


@click.command()
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
@click.option("--stat", is_flag=True, help="Of the code: the list of files (the default without --patch).")
@click.option("-p", "--patch", is_flag=True, help="Of the code: the whole difference, after everything else.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when something differs, or may.")
@json_option
@store_option
@click.pass_context
def diff(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    ctx: click.Context,
    before: str,
    after: str,
    stat: bool,
    patch: bool,
    exit_code: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """Show what differs between two runs.

    Only what differs, layer by layer: the code, the environment and its packages, parameters, seed, variables,
    inputs, outputs, metrics, the host, how it ended. What one of the runs does not tell is named. RUN is an id,
    the beginning of one, or last, last~1, ... of the project around here.

    \b
    projrun diff last~1 last
    projrun diff last~1 last --patch
    """
    from projrun.cli.screen import Screen
    from projrun.comparing import Places, Wanted, compare
    from projrun.core.paths import cache_directory, store_directory

    terminal = sys.stdout.isatty()
    wanted = Wanted(_width(terminal=terminal) if stat or not patch else None, patch)
    places = Places(store_directory(store), cache_directory())
    found = compare(before, after, places, wanted, Screen(quiet=True, data_on_stdout=as_json))
    if as_json:
        print_document(document(found))
    else:
        from projrun.cli.differences import print_difference

        print_difference(found, patch=patch, terminal=terminal)
    if exit_code and not found.is_same:
        ctx.exit(1)


def _width(*, terminal: bool) -> int:
    return max(40, (shutil.get_terminal_size().columns if terminal else _COLUMNS) - _INDENT)


def document(found: Difference) -> dict[str, Any]:
    """A difference as data. Its format is in docs/reference/diff.md."""
    layers: dict[str, Any] = {"code": _code(found.code)}
    for layer in found.layers:
        layers[layer.name.replace(" ", "_")] = {
            "state": layer.state,
            "why": layer.why,
            "changes": [_change(change) for change in layer.changes],
        }
    if found.contents:
        from projrun.verdict.document import output_document

        layers["outputs"]["contents"] = [output_document(one) for one in found.contents]
    return {
        "document": "diff",
        "version": 1,
        "before": _run(found.before),
        "after": _run(found.after),
        "differs": found.differs,
        "layers": layers,
        "duration": _change(found.took) if found.took else None,
    }


def _run(record: RunRecord) -> dict[str, Any]:
    head = record.start or record.recipe or {}
    return {
        "run": record.id,
        "name": head.get("name"),
        "status": record.status,
        "created": head.get("created"),
        "why_incomplete": record.why_incomplete,
    }


def _code(code: Code) -> dict[str, Any]:
    return {
        "state": code.state,
        "why": code.why,
        "before": _source(code.before),
        "after": _source(code.after),
        "files": [as_dict(file) for file in code.files],
        "patch": code.patch.decode(errors="surrogateescape") if code.patch else None,
    }


def _source(source: Any) -> dict[str, Any] | None:
    if source is None:
        return None
    return {key: source.get(key) for key in ("commit", "snapshot", "dirty", "branch", "address", "ref")}


def _change(change: Change) -> dict[str, Any]:
    return {"kind": change.kind, **as_dict(change)}
