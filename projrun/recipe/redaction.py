"""Secrets never reach a record: their bytes become ``***`` before anything is written or shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, AnyStr, NamedTuple

from projrun.core.values import Struct

MASK = "***"
# Characters of a secret below which it stays in what is declared, as no file is searched for such a one either,
# and in the places of the source.
_IN_DECLARED, _IN_PLACES = 8, 4

# What projrun computed itself. Without it a recipe is of no use, and no secret can have come into it.
_COMPUTED = frozenset(
    {
        *("document", "run", "status", "created", "started", "ended", "phase", "kind", "code", "boot_id"),
        *(
            "sha256",
            "before",
            "pin",
            "commit",
            "snapshot",
            "key",
            "version",
            "projrun",
            "process",
            "host",
            "phases",
        ),
        *("interpreter", "installed", "builder", "options", "platform", "type", "items", "lock"),
        *("terminals", "verdict", "candidates", "state", "how"),
        *("engine", "id", "digest", "digests", "packages", "python", "seeding", "object"),
    }
)


# What the specification itself says, which lies in the source: keys, by the one above them.
_DECLARED: Mapping[str, frozenset[str]] = {
    "": frozenset({"entry_point", "outputs", "metrics", "cwd"}),
    "project": frozenset({"name"}),
    "spec": frozenset({"project", "file"}),
    "entry_point": frozenset({"name"}),
    "command": frozenset({"words", "text"}),
    "parameters": frozenset({"name", "origin", "data"}),
    "variables": frozenset({"secrets"}),
    "environment": frozenset({"name"}),
    "image": frozenset({"reference"}),
    "bases": frozenset({"reference"}),
    "build": frozenset({"file", "dockerfile", "target", "secrets", "network"}),
    "context": frozenset({"path"}),
    "configuration": frozenset({"user", "network"}),
    "inputs": frozenset({"name", "path"}),
    "outputs": frozenset({"name", "path"}),
    "metrics": frozenset({"file"}),
}
_LAYER = ("layers", "name")  # of a verdict: projrun's own word
# Where the source lies, as git and the user call it.
_PLACES = frozenset({"root", "source"})

# What no way of writing alters, and the least of it that is searched for in place of the forms that hold it.
_PLAIN = re.compile(rb"[A-Za-z0-9._-]+")
_CORE = 6

# Below these the names are the user's own and mean nothing.
_FREE = frozenset({"set", "inherited", "base", "value", "raw"})


class _Held(Struct, frozen=True):
    """The end of a stream that may be the beginning of a secret.

    ``covered`` counts its leading bytes that are part of a secret already; ``masked`` tells whether the last
    thing passed on was a mask, which then stands for those bytes too.
    """

    data: bytes = b""
    covered: int = 0
    masked: bool = False


class Redactor:
    """Replaces secrets in streams and texts. Every unbroken run of secret bytes becomes one mask.

    Empty secrets are ignored. Each is found in all of its :func:`projrun.core.disguises.forms`.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._secrets = [form.encode("utf-8", "surrogateescape") for form in sorted(forms)]
        self._in_text = [(form, re.compile(_chain(form))) for form in forms]
        self._in_bytes = [
            (core, [(form, re.compile(_chain(form.decode("latin-1")).encode("latin-1"))) for form in alike])
            for core, alike in _cores(self._secrets).items()
        ]
        self._inside = frozenset(byte for secret in self._secrets for byte in secret[:-1])
        self._held: dict[str, _Held] = {}

    def feed(self, stream: str, data: bytes) -> bytes:
        """What of a stream can be passed on now.

        Holds back less than one secret's length, and only an end that could be the beginning of a secret.
        """
        if not self._secrets:
            return data
        held = self._held.get(stream, _Held())
        buffer = held.data + data
        return self._pass_on(stream, buffer, len(buffer) - self._open_end(buffer), held)

    def flush(self, stream: str) -> bytes:
        """What was held back, at the end of a stream or where it pauses for good."""
        held = self._held.get(stream, _Held())
        passed = self._pass_on(stream, held.data, len(held.data), held)
        self._held.pop(stream, None)
        return passed

    def text(self, text: str) -> str:
        """A whole text, such as an error's or an address."""
        if not self._secrets:
            return text
        return _masked(text, _spans(text, self._in_text), MASK)

    def _open_end(self, buffer: bytes) -> int:
        """The length of the longest end that begins a secret without completing it."""
        if not buffer or buffer[-1] not in self._inside:  # mostly it is the end of a line
            return 0
        return max(_open_end_of(buffer, secret) for secret in self._secrets)

    def _pass_on(self, stream: str, buffer: bytes, cut: int, held: _Held) -> bytes:
        there = [one for core, alike in self._in_bytes if core in buffer for one in alike]
        if not (there or held.covered or held.masked):
            self._held[stream] = _Held(buffer[cut:])
            return buffer[:cut]
        spans = _merged([(0, held.covered), *_spans(buffer, there)])
        now = [(start, min(end, cut)) for start, end in spans if start < cut]
        passed = _masked(buffer[:cut], now, MASK.encode())
        if held.masked and now and now[0][0] == 0:
            passed = passed.removeprefix(MASK.encode())
        covered = max((end - cut for start, end in spans if start <= cut < end), default=0)
        masked = now[-1][1] == cut if now else held.masked and cut == 0
        self._held[stream] = _Held(buffer[cut:], covered, masked)
        return passed


def _forms(secret: str) -> Iterable[str]:
    from projrun.core.disguises import forms  # most runs have no secret

    return forms(secret)


def _chain(secret: str) -> str:
    """A pattern of the secret followed by those that overlap it most, so that ``xxxx`` is found at one go."""
    step = next(size for size in range(1, len(secret) + 1) if secret.startswith(secret[size:]))
    return f"{re.escape(secret)}(?:{re.escape(secret[-step:])})*"


def _spans(text: AnyStr, sought: Iterable[tuple[AnyStr, re.Pattern[AnyStr]]]) -> list[tuple[int, int]]:
    """Where secrets lie, overlapping and touching ones as one. ``sought``: forms of secrets with their chains."""
    found: list[tuple[int, int]] = []
    for secret, chain in sought:
        at = text.find(secret)  # much quicker than the pattern, and mostly there is none
        while at >= 0 and (match := chain.search(text, at)):
            found.append(match.span())
            at = match.end() - len(secret) + 1  # another one may still overlap the last
    return _merged(found)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if start == end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _masked(text: AnyStr, spans: Iterable[tuple[int, int]], mask: AnyStr) -> AnyStr:
    parts: list[AnyStr] = []
    done = 0
    for start, end in spans:
        parts += (text[done:start], mask)
        done = end
    parts.append(text[done:])
    return text[:0].join(parts)


def _cores(forms: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """The forms by what they have in common: what does not hold the one holds none of the others.

    The disguises of a secret differ in how they write its marks, and have its letters and digits alike.
    """
    cores: dict[bytes, list[bytes]] = {}
    for form in sorted(forms, key=len):
        core = next((core for core in cores if core in form), None)
        if core is None:
            plain = max(_PLAIN.findall(form), key=len, default=b"")
            core = plain if len(plain) >= _CORE else form
        cores.setdefault(core, []).append(form)
    return cores


def _open_end_of(data: bytes, secret: bytes) -> int:
    at = data.find(secret[:1], max(0, len(data) - len(secret) + 1))
    while at >= 0:
        if secret.startswith(data[at:]):
            return len(data) - at
        at = data.find(secret[:1], at + 1)
    return 0


class Redactions(NamedTuple):
    """How a text of a record becomes one without secrets.

    ``text`` for any. ``declared`` for what the specification says, ``place`` for where the source lies: short
    secrets stay in those. They are there by chance, and without them a run could not be done again.
    """

    text: Callable[[str], str]
    declared: Callable[[str], str]
    place: Callable[[str], str]


def redactions(secrets: Sequence[str]) -> Redactions:
    """Those that take the secrets out."""
    least = min(map(len, secrets), default=_IN_DECLARED)
    whole = Redactor(secrets).text

    def of(length: int) -> Callable[[str], str]:
        return whole if least >= length else Redactor(one for one in secrets if len(one) >= length).text

    return Redactions(whole, of(_IN_DECLARED), of(_IN_PLACES))


def redacted(document: Mapping[str, Any], redact: Callable[[str], str] | Redactions) -> dict[str, Any]:
    """A copy of a document in which every text that is the user's or a program's went through ``redact``.

    What projrun computed stays, whatever a secret may be, and so does the lock, which holds no secret: an
    address in it is refused.
    """
    return _document(document, "", redact if isinstance(redact, Redactions) else Redactions(*[redact] * 3))


def _document(document: Mapping[str, Any], above: str, ways: Redactions) -> dict[str, Any]:
    declared = _DECLARED.get(above, frozenset())
    found: dict[str, Any] = {}
    for key, value in document.items():
        plain = ways.declared if key in declared else ways.text
        if key in _COMPUTED or (above, key) == _LAYER:
            found[key] = value
        elif key == "tags":
            found[key] = {ways.text(name): ways.text(text) for name, text in value.items()}
        elif key in _FREE:
            found[key] = _redacted(value, ways.text)
        elif key in _PLACES and isinstance(value, str):
            found[key] = ways.place(value)
        elif isinstance(value, Mapping):
            inside = Redactions(*[ways.place] * 3) if key in _PLACES else ways
            found[key] = _document(value, key, inside)
        elif isinstance(value, list):
            found[key] = [
                _document(one, key, ways) if isinstance(one, Mapping) else _redacted(one, plain) for one in value
            ]
        else:
            found[key] = _redacted(value, plain)
    return found


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(below, redact) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(below, redact) for below in value]
    return value
