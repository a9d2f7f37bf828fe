"""A verdict as a JSON value. Its format is schemas/recipe.v1.json, ``verdict``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from projrun.core.values import as_dict
from projrun.verdict.model import Compared, MetricFinding, OutputFinding, Verdict


def verdict_document(verdict: Verdict, head: Mapping[str, Any], exit_code: int) -> dict[str, Any]:
    """All of a verdict. ``head`` says whose it is; ``exit_code`` is what ``projrun reproduce`` ends with."""
    return {
        **head,
        "verdict": verdict.verdict,
        "summary": verdict.summary,
        "exit_code": exit_code,
        "candidates": list(verdict.candidates),
        "layers": [
            {
                "name": layer.name,
                "state": layer.state,
                "summary": layer.summary,
                "findings": [as_dict(finding) for finding in layer.findings],
            }
            for layer in verdict.layers
        ],
        "outputs": [output_document(finding) for finding in verdict.outputs],
        "metrics": [_metric(finding) for finding in verdict.metrics],
    }


def output_document(finding: OutputFinding) -> dict[str, Any]:
    """What was found of one output."""
    return {**as_dict(finding), "compared": _compared(finding.compared) if finding.compared else None}


def _compared(compared: Compared) -> dict[str, Any]:
    return {
        **as_dict(compared),
        "equal": compared.equal,
        "largest_absolute": _number(compared.largest_absolute),
        "largest_relative": _number(compared.largest_relative),
    }


def _metric(finding: MetricFinding) -> dict[str, Any]:
    differences = {"absolute": _number(finding.absolute), "relative": _number(finding.relative)}
    return {**as_dict(finding), **differences}


def _number(value: float | None) -> float | str | None:
    """As a metric: JSON has no infinity."""
    return value if value is None or math.isfinite(value) else "Infinity"
