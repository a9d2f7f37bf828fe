"""How a run starts: git looks at the source while the rest of projrun is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projrun.core.report import Reporter
from projrun.looking import looking
from projrun.options import Options

if TYPE_CHECKING:
    from projrun.runner import Result


def run(options: Options, screen: Reporter) -> Result:
    """As :func:`projrun.runner.run`."""
    with looking(options) as ahead:
        from projrun import runner

        return runner.run(options, screen, ahead)
