"""Command templates: ``{name}`` stands for a value, ``{{`` and ``}}`` for braces.

A text is split into words before any value is put in, and a value that was put in is never read again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from projrun.core.errors import UsageError
from projrun.core.nearest import did_you_mean
from projrun.core.regex import regex
from projrun.core.values import Struct
from projrun.spec import posix_shell
from projrun.spec.argument import shown, unfit
from projrun.spec.model import BUILTIN_PLACEHOLDERS, BoundParameter, Command, Parameter

# Where values end up that no placeholder of their own asks for.
_WHOLESALE = ("params", "params_file")

_BRACE = regex(r"\{\{|\}\}|\{(?P<name>[A-Za-z_][A-Za-z0-9_-]*)\}|(?P<odd>\{[^{}]*\}?|\})")


class Builtins(Struct, frozen=True):
    """What projrun fills in itself, as the program is given it: the seed, and two paths.

    ``project`` is the directory that the paths of ``absolute`` parameters begin with.
    """

    seed: str
    params_file: str
    run_dir: str
    project: str = ""


class _Slot(Struct, frozen=True):
    """The place of a value."""

    name: str


_Piece = str | _Slot


def parse(command: str | Sequence[str], *, shell: bool | str) -> Command:
    """A command as it was declared, as a template; ``shell`` is true, false or ``format``.

    Raises ValueError for an empty command, an open quote, a brace that is no placeholder, and, for a shell,
    a placeholder where its value could not be quoted.
    """
    texts = [command] if isinstance(command, str) else list(command)
    if not any(text.strip() for text in texts):
        raise ValueError("the command is empty")
    for text in texts:
        if reason := unfit(text):
            raise ValueError(f"the command cannot be used: {reason}")
    if shell == "format":
        return parse_format(command)
    return _for_shell(command) if shell else _for_words(command)


def placeholders(command: Command) -> tuple[str, ...]:
    """The names between braces, each once, in the order of the command."""
    if command.format:
        from projrun.spec import format_string  # few commands are

        return format_string.names(command.text)
    slots = [piece.name for word in _templates(command) for piece in _pieces(word) if isinstance(piece, _Slot)]
    return tuple(dict.fromkeys(slots))


def problems(command: Command, parameters: Mapping[str, Parameter]) -> tuple[str, ...]:
    """What is wrong in a command, given its parameters, each in one line; a run needs that there is nothing."""
    used = placeholders(command)
    known = [*parameters, *(() if command.format else BUILTIN_PLACEHOLDERS)]
    found = [f"{{{name}}} is no parameter: {did_you_mean(name, known)}" for name in used if name not in known]
    joined = set() if command.format else {name for name, alone in _occurrences(command) if not alone}
    found += [
        f"{{{name}}} must stand alone in its word: {reason}"
        for name in used
        if name in joined and (reason := _several(name, parameters))
    ]
    return tuple(found)


def unused(command: Command, parameters: Iterable[str]) -> tuple[str, ...]:
    """Those of the parameters whose values never reach the program; a run needs that there are none."""
    used = placeholders(command)
    if command.format:
        return ()  # nothing keeps such a command from leaving one out
    return () if set(_WHOLESALE) & set(used) else tuple(name for name in parameters if name not in used)


def render(command: Command, bound: Mapping[str, BoundParameter], builtins: Builtins) -> tuple[str, ...]:
    """The argv of one run, of a command without :func:`problems`. Raises UsageError when no program is left."""
    if command.format:
        return ("bash", "-c", _formatted(command, bound, builtins))
    values = _values(bound, builtins)
    appended = [word for one in bound.values() if one.parameter.appended for word in _named(one, builtins)]
    if command.shell:
        pieces = _pieces(command.text)
        text = "".join(_in_shell(piece, values) for piece in pieces)
        return ("/bin/sh", "-c", " ".join([text, *map(posix_shell.quote, appended)]))
    argv: list[str] = []
    for word in command.words:
        pieces = _pieces(word)
        if len(pieces) == 1 and isinstance(pieces[0], _Slot):
            argv += values[pieces[0].name]
        else:
            argv.append("".join(piece if isinstance(piece, str) else values[piece.name][0] for piece in pieces))
    if not argv or not argv[0]:
        raise UsageError(
            "the command names no program",
            why="the value that its first word stands for is empty",
            hint="give that parameter a value with -P NAME=VALUE",
        )
    return (*argv, *appended)


def _formatted(command: Command, bound: Mapping[str, BoundParameter], builtins: Builtins) -> str:
    from projrun.spec import format_string

    placed, appended = {}, []
    for name, one in bound.items():
        text = " ".join(_words(one, builtins))
        if one.parameter.appended:
            appended.append((name, text))
        else:
            placed[name] = text
    try:
        return format_string.filled(command.text, placed, appended)
    except ValueError as error:
        raise UsageError(
            "the command cannot be made",
            why=str(error),
            hint="mend its command, or choose another entry point: -e",
        ) from None


def parse_format(command: str | Sequence[str]) -> Command:
    """A format string of Python as a template for bash. Raises ValueError as :func:`parse`."""
    if not isinstance(command, str):
        raise ValueError("`shell: format` takes the command as one text, not as a list of words")
    if not command.strip():
        raise ValueError("the command is empty")
    if reason := unfit(command):
        raise ValueError(f"the command cannot be used: {reason}")
    from projrun.spec import format_string

    format_string.names(command)
    return Command((), command, True, True)


def _for_words(command: str | Sequence[str]) -> Command:
    words = posix_shell.split(command) if isinstance(command, str) else tuple(command)
    for word in words:
        _pieces(word)
    if not words or not words[0]:
        raise ValueError("the command's first word is empty, and it is the program")
    return Command(words, command if isinstance(command, str) else " ".join(map(_readable, words)))


def _for_shell(command: str | Sequence[str]) -> Command:
    if not isinstance(command, str):
        raise ValueError("`shell: true` takes the command as one text, not as a list of words")
    text = "".join(piece if isinstance(piece, str) else posix_shell.HOLE for piece in _pieces(command))
    if reason := posix_shell.unsafe(text):
        raise ValueError(f"a placeholder stands {reason}")
    return Command((), command, True)


def _readable(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./{}-]+", word) else posix_shell.quote(word)


def _templates(command: Command) -> tuple[str, ...]:
    return (command.text,) if command.shell else command.words


def _pieces(template: str) -> tuple[_Piece, ...]:
    """A word or text cut at its braces. Raises ValueError for a brace that is no placeholder."""
    pieces: list[_Piece] = []
    literal = ""
    at = 0
    for found in _BRACE.finditer(template):
        literal += template[at : found.start()]
        at = found.end()
        if found["odd"]:
            raise ValueError(
                f"{shown(found['odd'])} is no placeholder: write {{name}}, or {{{{ and }}}} for braces"
            )
        if found["name"] is None:
            literal += found.group()[0]
            continue
        pieces += [literal] if literal else []
        pieces.append(_Slot(found["name"]))
        literal = ""
    literal += template[at:]
    return (*pieces, literal) if literal or not pieces else tuple(pieces)


def _occurrences(command: Command) -> Iterator[tuple[str, bool]]:
    """Each placeholder, and whether it stands alone in its word."""
    for template in _templates(command):
        pieces = _pieces(template)
        text = "".join(piece if isinstance(piece, str) else posix_shell.HOLE for piece in pieces)
        at = 0
        for piece in pieces:
            if isinstance(piece, _Slot):
                yield piece.name, posix_shell.alone(text, at) if command.shell else len(pieces) == 1
            at += len(piece) if isinstance(piece, str) else 1


def _several(name: str, parameters: Mapping[str, Parameter]) -> str:
    """Why a placeholder can become none or many words; empty when it is always one."""
    if name == "params":
        return "it becomes many words"
    parameter = parameters.get(name)
    if parameter and parameter.type == "list":
        return "a list becomes one word for each item"
    if parameter and parameter.flag is not None:
        return f"it becomes {parameter.flag} or nothing"
    return ""


def _values(bound: Mapping[str, BoundParameter], builtins: Builtins) -> dict[str, tuple[str, ...]]:
    words = {name: _words(one, builtins) for name, one in bound.items()}
    declared = (one for one in bound.values() if not one.parameter.appended)
    listed = [word for one in declared for word in _named(one, builtins)]
    return {
        **words,
        "params": tuple(listed),
        "seed": (str(builtins.seed),),
        "params_file": (builtins.params_file,),
        "run_dir": (builtins.run_dir,),
    }


def _words(bound: BoundParameter, builtins: Builtins) -> tuple[str, ...]:
    if bound.parameter.flag is not None:
        return (bound.parameter.flag,) if bound.value.value else ()
    raw = bound.value.raw
    texts = raw if isinstance(raw, tuple) else (raw,)
    if not bound.parameter.absolute:
        return texts
    return tuple(posixpath.normpath(posixpath.join(builtins.project, text)) for text in texts)


def _named(bound: BoundParameter, builtins: Builtins) -> tuple[str, ...]:
    """As ``{params}`` writes it. An empty list is its name alone, so that it is not the program's default."""
    words = _words(bound, builtins)
    return words if bound.parameter.flag is not None else (f"--{bound.parameter.name}", *words)


def _in_shell(piece: _Piece, values: Mapping[str, tuple[str, ...]]) -> str:
    return piece if isinstance(piece, str) else " ".join(map(posix_shell.quote, values[piece.name]))
