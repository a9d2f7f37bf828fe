"""From what was found of each layer to one verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from projrun.verdict.model import (
    CAUSES,
    DIFFERENT,
    DIFFERS,
    NOT_DETERMINISTIC,
    REPRODUCED,
    RESULTS,
    UNCHECKED,
    UNVERIFIED,
    VERIFIED,
    Finding,
    Layer,
    MetricFinding,
    OutputFinding,
    Verdict,
)


def outputs_layer(findings: Sequence[OutputFinding], why: str = "") -> Layer:
    """The outputs as a layer. ``why`` says why nothing is known of those of the first run."""
    listed = tuple(Finding(one.path, one.state, one.message, one.before, one.after) for one in findings)
    return _results("outputs", listed, why, f"{len(findings)} as they were")


def metrics_layer(findings: Sequence[MetricFinding], why: str = "", *, declared: bool = True) -> Layer:
    """The metrics as a layer, likewise. ``declared``: the entry point declares some."""
    listed = tuple(
        Finding(one.name, one.state, one.message, _text(one.before), _text(one.after)) for one in findings
    )
    if declared and not listed and not why:
        listed = (Finding("metrics", VERIFIED, "neither run reported any"),)
    exact = sum(one.message == "equal" for one in findings)
    near = f", {len(findings) - exact} within their tolerance" if exact < len(findings) else ""
    return _results("metrics", listed, why, f"{exact} equal{near}")


def _results(name: str, findings: tuple[Finding, ...], why: str, summary: str) -> Layer:
    if why:
        return Layer(name, (Finding(name, UNCHECKED, why),), "")
    if not findings:
        return Layer(name, (Finding(name, UNCHECKED, "the entry point declares none"),), "", declared=False)
    return Layer(name, findings, summary)


def decide(
    layers: Sequence[Layer], outputs: Sequence[OutputFinding] = (), metrics: Sequence[MetricFinding] = ()
) -> Verdict:
    """The verdict: by the results alone, with the other layers as what a difference may come from."""
    known = {layer.name: layer for layer in layers}
    results = [known[name] for name in RESULTS]
    differing = [layer.name for layer in results if layer.state == DIFFERS]
    candidates = tuple(name for name in CAUSES if known[name].state == DIFFERS) if differing else ()
    if differing:
        verdict = DIFFERENT if candidates else NOT_DETERMINISTIC
    elif any(layer.declared and layer.state == UNCHECKED for layer in results):
        verdict = UNVERIFIED
    else:
        verdict = REPRODUCED
    summary = _summary(verdict, known, differing, candidates)
    return Verdict(verdict, summary, tuple(layers), tuple(outputs), tuple(metrics), candidates)


def _summary(verdict: str, known: Mapping[str, Layer], differing: Sequence[str], candidates: Sequence[str]) -> str:
    if verdict == DIFFERENT:
        return f"{_differ(differing)}; it may come from {_and(candidates)}, which {_verb(candidates)} too"
    if verdict == NOT_DETERMINISTIC:
        verified = [name for name in CAUSES if known[name].state == VERIFIED]
        unchecked = [name for name in CAUSES if known[name].state == UNCHECKED]
        told = f"{_differ(differing)}, and {_and(verified)} do not"
        return told + (f"; {_and(unchecked)} could not be checked, or not all of it" if unchecked else "")
    if verdict == UNVERIFIED:
        names = [name for name in RESULTS if known[name].declared and known[name].state == UNCHECKED]
        return f"{_and(names)} could not be checked"
    compared = [name for name in RESULTS if known[name].state == VERIFIED]
    silent = [name for name in RESULTS if not known[name].declared]
    told = f"{_and(compared)} {'are' if len(compared) > 1 else 'is'} what the run had"
    return told + (f"; no {' and no '.join(silent)} are declared" if silent else "")


def _differ(names: Sequence[str]) -> str:
    return f"{_and(names)} {_verb(names)}"


def _verb(names: Sequence[str]) -> str:
    """Outputs and metrics are many, the others one each."""
    return "differs" if len(names) == 1 and names[0] not in ("outputs", "metrics", "parameters") else "differ"


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names) or "nothing"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
