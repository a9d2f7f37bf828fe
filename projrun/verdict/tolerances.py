"""Tolerances as they are typed: ``NAME=ABS``, ``NAME=REL%`` or ``NAME=ABS,REL%``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from projrun.core.errors import UsageError
from projrun.spec.model import Tolerance

_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_EXAMPLE = "--tolerance rmse=0.001, --tolerance rmse=1% or --tolerance rmse=0.001,1%"


def parse(texts: Sequence[str]) -> dict[str, Tolerance]:
    """Tolerances by the names of metrics. Raises UsageError for one that is none, or given twice."""
    found: dict[str, Tolerance] = {}
    for text in texts:
        name, _, bounds = text.rpartition("=")
        if not name:
            raise UsageError(f"--tolerance {text}: it is not of the form NAME=ABS,REL%", hint=_EXAMPLE)
        if name in found:
            raise UsageError(f"--tolerance {name} is given twice", hint=f"keep one --tolerance {name}=...")
        found[name] = _bounds(text, bounds)
    return found


def _bounds(text: str, bounds: str) -> Tolerance:
    parts = [part.strip() for part in bounds.split(",")]
    absolute = [part for part in parts if not part.endswith("%")]
    relative = [part.removesuffix("%").strip() for part in parts if part.endswith("%")]
    if len(absolute) > 1 or len(relative) > 1 or parts[: len(absolute)] != absolute:
        raise UsageError(
            f"--tolerance {text}: it is one number, one percentage, or both in this order", hint=_EXAMPLE
        )
    return Tolerance(
        absolute=_amount(text, absolute[0]) if absolute else 0.0,
        relative=float(Decimal(repr(_amount(text, relative[0]))) / 100) if relative else 0.0,
    )


def _amount(text: str, amount: str) -> float:
    if not _AMOUNT.fullmatch(amount) or not math.isfinite(float(amount)):
        raise UsageError(f"--tolerance {text}: {amount!r} is no number of 0 or more", hint=_EXAMPLE)
    return float(amount)


def shown(tolerance: Tolerance) -> str:
    """A tolerance for people."""
    words = [f"{tolerance.absolute:g}"] if tolerance.absolute or not tolerance.relative else []
    words += [f"{tolerance.relative * 100:g}%"] if tolerance.relative else []
    return " or ".join(words)
