"""The layers of two runs compared, from their documents: all but the environment, and what the runs wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from projrun.verdict.model import DIFFERS, UNCHECKED, VERIFIED, Finding, Layer

_Document = Mapping[str, Any]

_HOST = ("os", "kernel", "machine", "cpu", "cores", "libc", "gpus")
# What a run takes from its caller of language and time zone.
_LOCALE = ("LANG", "LANGUAGE", "TZ")


def finding(what: str, before: object, after: object) -> Finding:
    """Two values that are the same or not; None stands for nothing."""
    old, new = (None if one is None else str(one) for one in (before, after))
    if before == after:
        return Finding(what, VERIFIED, old or "none", old, new)
    return Finding(what, DIFFERS, f"{old or 'nothing'} became {new or 'nothing'}", old, new)


def code(before: _Document, after: _Document, outcomes: Sequence[_Document | None]) -> Layer:
    """The commit or snapshot, its submodules, the specification and the command."""
    old, new = before["source"], after["source"]
    kind = "snapshot" if old["snapshot"] else "commit"
    findings = [finding(kind, old[kind], new[kind])]
    if not old["snapshot"]:  # else their files are in it
        findings += _by_name("submodule", _commits(old), _commits(new))
    findings.append(finding("ProjectSpec.yaml", before["spec"]["sha256"], after["spec"]["sha256"]))
    findings.append(finding("command", before["entry_point"]["command"], after["entry_point"]["command"]))
    findings += _flagged("tree-changed", outcomes)
    return Layer("code", tuple(findings), f"{kind} {old[kind]}")


def data(before: _Document, after: _Document, outcomes: Sequence[_Document | None]) -> Layer:
    """The digests of the inputs."""
    findings = [*_by_name("", _digests(before), _digests(after)), *_flagged("input-changed", outcomes)]
    if not before["inputs"] and not after["inputs"]:
        nothing = Finding("data", UNCHECKED, "no input is declared, so what the program read is not known")
        return Layer("data", (nothing,), "", declared=False)
    return Layer(
        "data", tuple(findings), ", ".join(f"{name} {digest[:10]}" for name, digest in _digests(before).items())
    )


def parameters(before: _Document, after: _Document) -> Layer:
    """Every value, the seed, the words of the command, the variables."""
    old, new = (
        {one["name"]: one["raw"] for one in recipe["parameters"] if not one.get("secret")}
        for recipe in (before, after)
    )
    findings = [*_by_name("", old, new), finding("seed", before["seed"], after["seed"])]
    findings.append(finding("seeding", *(", ".join(one.get("seeding") or ()) or None for one in (before, after))))
    findings.append(_argv(_words(before), _words(after)))
    findings += _by_name("variable ", _variables(before), _variables(after))
    mine, others = _secrets(before), _secrets(after)
    for name in dict.fromkeys((*mine, *others)):
        both = name in mine and name in others
        why = "its value is never recorded" if both else "it is a secret of one of the two"
        findings.append(Finding(f"secret {name}", UNCHECKED if both else DIFFERS, why))
    told = [f"{name} = {value if isinstance(value, str) else list(value)}" for name, value in old.items()]
    return Layer("parameters", tuple(findings), ", ".join([*told, f"seed {before['seed']}"]))


def _secrets(recipe: _Document) -> tuple[str, ...]:
    """The names of the variables and parameters whose values nobody knows."""
    secret = (f"parameter {one['name']}" for one in recipe["parameters"] if one.get("secret"))
    return (*recipe["variables"]["secrets"], *secret)


def host(before: _Document, after: _Document) -> Layer:
    """The machine, as far as results may depend on it. What a recipe does not say cannot be checked."""
    old, new = before["host"], after["host"]
    findings = []
    for name in _HOST:
        values = [_flat(one.get(name)) for one in (old, new)]
        if None in values:
            whose = "neither recipe says" if values[0] == values[1] else "one of the two recipes does not say"
            findings.append(Finding(name, UNCHECKED, whose, *values))
        else:
            findings.append(finding(name, *values))
    words = [_flat(new.get(name)) for name in ("os", "kernel", "machine", "cpu")]
    return Layer("host", tuple(findings), ", ".join(word for word in words if word))


def exit_code(before: _Document | None, after: _Document, why: str) -> Layer:
    """How the programs ended. ``why`` says why nothing is known of the first."""
    if before is None or before["process"] is None:
        return Layer("exit code", (Finding("exit code", UNCHECKED, why),), "")
    old, new = (f"{one['exit_code']} ({one['status']})" for one in (before, after))
    return Layer("exit code", (finding("exit code", old, new),), old)


def _commits(source: _Document) -> dict[str, str]:
    return {one["path"]: one["commit"] for one in source["submodules"]}


def _digests(recipe: _Document) -> dict[str, str]:
    return {one["path"]: one["sha256"] or "" for one in recipe["inputs"]}


def _by_name(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Finding]:
    for name in dict.fromkeys((*before, *after)):
        called = f"{kind} {name}" if kind and not kind.endswith(" ") else f"{kind}{name}"
        yield finding(called, before.get(name), after.get(name))


def _flagged(code: str, outcomes: Sequence[_Document | None]) -> Iterator[Finding]:
    """What one of the runs was flagged for, so that its record does not tell what it had."""
    for outcome, whose in zip(outcomes, ("the run", "the new run"), strict=True):
        for flag in outcome["flags"] if outcome else ():
            if flag["code"] == code:
                yield Finding(code, UNCHECKED, f"of {whose}, {flag['message']}")


def _words(recipe: _Document) -> list[str]:
    """The command without what is another in each run: the run's directory."""
    directory = recipe["variables"]["base"].get("PROJRUN_RUN_DIR")
    argv = [str(word) for word in recipe["argv"]]
    return [word.replace(directory, "{run_dir}") for word in argv] if directory else argv


def _argv(before: list[str], after: list[str]) -> Finding:
    if before == after:
        return Finding("argv", VERIFIED, f"{len(before)} words")
    at = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        return Finding("argv", DIFFERS, f"{len(before)} words became {len(after)}")
    return Finding("argv", DIFFERS, f"word {at + 1}, {before[at]!r} became {after[at]!r}", before[at], after[at])


def _variables(recipe: _Document) -> dict[str, str]:
    """Those that were asked for, from wherever they came, and language and time zone."""
    groups = recipe["variables"]
    own = {name: value for name, value in groups["base"].items() if name in _LOCALE or name.startswith("LC_")}
    return {**own, **groups["inherited"], **groups["set"]}


def _flat(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return _joined(value.values())
    if isinstance(value, list):
        return _joined(_flat(one) for one in value) or "none"
    return None if value is None else str(value)


def _joined(values: Iterable[Any]) -> str:
    return " ".join(str(one) for one in values if one is not None)
