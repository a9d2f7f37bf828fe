"""``projrun reproduce --environment-matrix``: one verdict for each environment, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projrun.cli.failure import error_document
from projrun.cli.render import Column, print_document, printable, table
from projrun.cli.terminal import styled
from projrun.cli.verdict import colour_of

if TYPE_CHECKING:
    from projrun.cli.screen import Screen
    from projrun.reproducing import Asked
    from projrun.varying import Cell, Matrix


def reproduce_in_each(asked: Asked, text: str, screen: Screen, *, as_json: bool) -> int:
    """Does a recorded run again in each environment of ``text``, prints the verdicts and gives the exit code."""
    from projrun.options import means_with
    from projrun.varying import names_in, reproduce_matrix

    means = means_with(asked.cache, offline=asked.offline, allow_download=asked.allow_download)
    found = reproduce_matrix(asked, names_in(text), means, screen)
    if as_json:
        print_document(document(found))
    else:
        table(_COLUMNS, [_row(cell) for cell in found.cells])
    return found.exit_code


def document(found: Matrix) -> dict[str, Any]:
    """A matrix as data: of each cell the new run with its verdict, or the error that kept it from being done."""
    return {
        "document": "matrix",
        "version": 1,
        "run": found.run,
        "exit_code": found.exit_code,
        "cells": [
            {
                "environment": cell.name,
                "exit_code": cell.exit_code,
                "run": cell.done.result.id if cell.done else cell.error and cell.error.run,
                "verdict": cell.verdict,
                "error": error_document(cell.error) if cell.error else None,
            }
            for cell in found.cells
        ],
    }


def _paint(text: str) -> str:
    return styled(text, fg=colour_of(text.strip()))


_COLUMNS = (
    Column("environment"),
    Column("python"),
    Column("verdict", paint=_paint),
    Column("run", rank=1),
    Column("what", elastic=True),
)


def _row(cell: Cell) -> list[str]:
    if cell.done is None:
        error = cell.error
        told = f"{error.what}: {error.brief}" if error and error.brief else error.what if error else ""
        return [cell.name, "", "not done", (error and error.run) or "", printable(told)]
    interpreter = cell.done.result.recipe["environment"]["interpreter"] or {}
    verdict = cell.verdict or {"verdict": "none", "summary": cell.done.result.outcome["reason"]}
    version = str(interpreter.get("version") or "")
    return [cell.name, version, verdict["verdict"], cell.done.result.id, printable(verdict["summary"])]
