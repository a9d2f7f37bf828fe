"""What differs between two runs, as people read it: a word, and what was and is."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.render import label, local_time, number, printable
from projrun.cli.terminal import styled
from projrun.core.amounts import duration, size
from projrun.recipe.comparison import UNKNOWN

if TYPE_CHECKING:
    from projrun.comparing import Code, Difference
    from projrun.recipe.comparison import Change, Layer
    from projrun.store.run import RunRecord
    from projrun.verdict.model import OutputFinding

_LINE = 66  # what the word on the left leaves of 80 columns
_DIGEST = re.compile(r"(sha256:|)[0-9a-f]{40,64}")
_SHORT = 12
_FILES = 8  # of a directory, told one by one
# How the titles of layers stand in the left column, where they are not their names.
_TITLES = {"system packages": "os packages"}
_GRAPH = re.compile(r"( \| +\d+ )(\+*)(-*)$")


def print_difference(found: Difference, *, patch: bool, terminal: bool) -> None:
    """Prints what differs, and last the ``patch``: as it is, or made harmless for a ``terminal``."""
    for side, record in (("before", found.before), ("after", found.after)):
        click.echo(f"{label(side)} {printable(_run(record))}")
    if found.are_of_two_projects:
        click.echo(f"{label('note')} these are runs of two projects")
    for title, line in lines(found):
        click.echo(f"{label(title)} {line}".rstrip())
    if not found.differs:
        known = "nothing else is known to differ" if found.unknown else "nothing differs"
        click.echo(f"{label('')} {known}")
    if found.took:
        click.echo(f"{label('duration')} {_arrow('', *_durations(found.took), _growth(found.took))}")
    if patch and found.code.patch:
        _print_patch(found.code.patch, terminal=terminal)


def _run(record: RunRecord) -> str:
    head: Mapping[str, Any] = record.start or record.recipe or {}
    when = head.get("created")
    words = [record.id, head.get("name"), local_time(when) if isinstance(when, str) else None, record.status]
    return " · ".join(str(word) for word in words if word)


def lines(found: Difference) -> Iterator[tuple[str, str]]:
    """(title, text) line by line: what differs, and what is not known. Never raises."""
    yield from _titled("code", _code(found.code))
    for layer in found.layers:
        title = _TITLES.get(layer.name, layer.name)
        if layer.name == "result":
            yield from _unknown(found)
        if layer.state != UNKNOWN:
            contents = found.contents if layer.name == "outputs" else ()
            yield from _titled(title, (line for one in layer.changes for line in _whole(layer, one, contents)))


def _whole(layer: Layer, change: Change, contents: Sequence[OutputFinding]) -> Iterator[str]:
    """A change, and below that of an output what its content has to do with it."""
    yield from _change(layer, change)
    read = [one for one in contents if one.compared and f"{one.path}/".startswith(f"{change.what}/")]
    for one in read[:_FILES]:
        name = one.path.removeprefix(change.what).removeprefix("/")
        yield printable(f"  {name}: {one.message}" if name else f"  {one.message}")
    if len(read) > _FILES:
        yield f"  and {len(read) - _FILES} more files of it: --json has all of them"


def _titled(title: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for count, line in enumerate(lines):
        yield title if count == 0 else "", line


def _unknown(found: Difference) -> Iterator[tuple[str, str]]:
    """What cannot be compared, by the reason: a run without a recipe says nothing of a dozen layers."""
    reasons: dict[str, list[str]] = {}
    for name, why in found.unknown.items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        yield "not known", printable(f"{', '.join(names)}:")
        yield "", f"  {printable(why)}"


def _code(code: Code) -> Iterator[str]:
    before, after = (_source(source) for source in (code.before, code.after))
    if before != after and code.before and code.after:
        same = "" if code.files or code.why else "the same files"
        yield from _both("", before, after, same)
    for line in code.stat.decode(errors="surrogateescape").splitlines():
        yield _stat_line(printable(line.strip()))


def _source(source: Mapping[str, Any] | None) -> str:
    if source is None:
        return "not recorded"
    commit, snapshot = source.get("commit"), source.get("snapshot")
    words = [str(commit)[:10] if commit else "no commit"]
    if source.get("branch"):
        words.append(f"on {source['branch']}")
    if snapshot:
        words.append(f"({'dirty, ' * bool(source.get('dirty'))}snapshot {str(snapshot)[:10]})")
    return printable(" ".join(words))


def _stat_line(line: str) -> str:
    """A line of git's list with its bars in colour."""
    found = _GRAPH.search(line)
    if found is None:
        return line
    return line[: found.start(2)] + styled(found[2], fg="green") + styled(found[3], fg="red")


def _change(layer: Layer, change: Change) -> Iterator[str]:
    name = "" if layer.name in ("seed",) and change.what == layer.name else printable(change.what)
    before, after, note = map(printable, _sides(layer.name, change))
    if change.kind == "changed":
        yield from _both(name, before, after, note)
        return
    sign, colour, told = ("+", "green", after) if change.kind == "added" else ("-", "red", before)
    yield styled(f"{sign} {name} {told}".rstrip(), fg=colour) + (f"  ({note})" if note else "")


def _both(name: str, before: str, after: str, note: str) -> Iterator[str]:
    """What was and what is, below each other when they are too long for one line."""
    one = _arrow(name, before, after, note)
    if len(click.unstyle(one)) <= _LINE:
        yield one
        return
    head = name + (f"  ({note})" if note else "")
    if head:
        yield head
    yield styled(f"  - {before}", fg="red")
    yield styled(f"  + {after}", fg="green")


def _arrow(name: str, before: str, after: str, note: str = "") -> str:
    words = [name] * bool(name) + [styled(before, fg="red"), "→", styled(after, fg="green")]
    return " ".join(words) + (f"  ({note})" if note else "")


def _sides(layer: str, change: Change) -> tuple[str, str, str]:
    """What was, what is, and a note."""
    if layer == "metrics":
        return _metric(change.before), _metric(change.after), _growth(change)
    try:
        return _told(layer, change)
    except (LookupError, TypeError, ValueError, AttributeError):  # a record that is damaged
        return _as_json(change.before), _as_json(change.after), ""


def _as_json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=True)


def _told(layer: str, change: Change) -> tuple[str, str, str]:
    tell = _TELL.get(layer, _value)
    before, after = ("" if value is None else tell(change.what, value) for value in (change.before, change.after))
    if before == after and change.kind == "changed":
        before, after = map(_as_json, (change.before, change.after))
    return before, after, _NOTES.get(layer, _no_note)(change)


def _metric(value: Any) -> str:
    return "" if value is None else number(value)


def _durations(took: Change) -> tuple[str, str]:
    return duration(took.before), duration(took.after)


def _growth(change: Change) -> str:
    """``+0.5, +20 %``; empty where there are no two numbers."""
    if change.absolute is None:
        return ""
    told = f"{change.absolute:+.4g}"
    return told if change.relative is None else f"{told}, {change.relative * 100:+.3g} %"


def _value(what: str, value: Any) -> str:
    """Any value: text as it is, a digest by its beginning, the rest as JSON."""
    if isinstance(value, str):
        digest = _DIGEST.fullmatch(value)
        return printable(value[: digest.end(1) + _SHORT] if digest else value)
    if what in ("memory", "container memory", "container shm_size") and isinstance(value, int):
        return size(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(printable(one) for one in value) or "none"
    return printable(json.dumps(value, ensure_ascii=False))


def _command(what: str, value: Any) -> str:
    return printable(shlex.join(value)) if what == "argv" else _value(what, value)


def _distribution(_: str, value: Mapping[str, Any]) -> str:
    return printable(str(value["version"]))


def _parameter(_: str, value: Mapping[str, Any]) -> str:
    told = value["value"]
    return printable(told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)) or '""'


def _variable(_: str, value: Mapping[str, Any]) -> str:
    return "secret" if value["from"] == "secret" else printable(str(value["value"])) or '""'


def _file(_: str, value: Mapping[str, Any]) -> str:
    digest = str(value["sha256"] or "")[:_SHORT]
    words = [printable(str(value["kind"])) if value["kind"] != "file" else "", digest]
    if digest:
        words.append(f"({size(value['size'])})")
    return " ".join(word for word in words if word)


def _no_note(_: Change) -> str:
    return ""


def _distribution_note(change: Change) -> str:
    before, after = change.before, change.after
    if change.kind != "changed" or before["version"] != after["version"]:
        return ""
    if before["archive"] and after["archive"] and before["archive"] != after["archive"]:
        return "the same version of another archive"
    return "the same version, other files"


def _parameter_note(change: Change) -> str:
    if change.kind != "changed":
        return printable(str((change.before or change.after)["type"]))
    types = [printable(str(value["type"])) for value in (change.before, change.after)]
    return " → ".join(dict.fromkeys(types))


def _variable_note(change: Change) -> str:
    groups = [value["from"] for value in (change.before, change.after) if value]
    if len(set(groups)) == 1:
        return "" if groups[0] in ("base", "secret") else groups[0]
    return " → ".join(groups)


def _output_note(change: Change) -> str:
    stale = [
        side for side, value in (("first", change.before), ("second", change.after)) if value and value["stale"]
    ]
    return f"not written by the {' and the '.join(stale)}" if stale else ""


def _input_note(change: Change) -> str:
    places = [value["path"] for value in (change.before, change.after) if value]
    return printable(" → ".join(dict.fromkeys(places))) if places != [change.what] * len(places) else ""


_TELL: dict[str, Callable[[str, Any], str]] = {
    "packages": _distribution,
    "parameters": _parameter,
    "command": _command,
    "variables": _variable,
    "inputs": _file,
    "outputs": _file,
}
_NOTES: dict[str, Callable[[Change], str]] = {
    "packages": _distribution_note,
    "parameters": _parameter_note,
    "variables": _variable_note,
    "inputs": _input_note,
    "outputs": _output_note,
}
_PATCH_STYLES: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("diff ", "index ", "--- ", "+++ ", "new file", "deleted file", "old mode", "new mode"), {"bold": True}),
    (("similarity ", "rename ", "copy ", "Binary "), {"bold": True}),
    (("@@",), {"fg": "cyan"}),
    (("+",), {"fg": "green"}),
    (("-",), {"fg": "red"}),
)


def _print_patch(patch: bytes, *, terminal: bool) -> None:
    """The patch byte for byte, for other programs; for a ``terminal`` in git's colours, and no file's escapes."""
    click.echo("")
    if not terminal:
        sys.stdout.flush()
        sys.stdout.buffer.write(patch)
        sys.stdout.buffer.flush()
        return
    for line in patch.decode(errors="surrogateescape").split("\n")[:-1]:
        style = next((style for begins, style in _PATCH_STYLES if line.startswith(begins)), {})
        shown = "\t".join(printable(part) for part in line.split("\t"))
        click.echo(styled(shown, **style) if style else shown)
