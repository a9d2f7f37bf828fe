"""Parameters: one value each, from ``-P name=value``, ``--params FILE`` or the default; as a record and back."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from projrun.core.errors import SpecError, UsageError
from projrun.core.nearest import did_you_mean
from projrun.core.paths import escape_reason
from projrun.core.regex import regex
from projrun.core.values import Struct, replace
from projrun.spec import secret_values
from projrun.spec.argument import shown
from projrun.spec.bound import file_text, from_document, to_document
from projrun.spec.model import COMMAND_LINE, DATA_PREFIX, BoundParameter, DataEntry, EntryPoint, Parameter, Value
from projrun.spec.values import read_native, read_text

if TYPE_CHECKING:
    from projrun.spec.tree import Document

__all__ = [
    "bind",
    "file_text",
    "from_document",
    "is_name",
    "read_native",
    "read_text",
    "to_document",
]

_NAME = regex(r"[A-Za-z_][A-Za-z0-9_-]*")
# What may follow the -- of a word that is appended: it is not quoted.
_APPENDED = regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class _Setting(Struct, frozen=True):
    """A value that somebody gave: for which name, where, how it is read, and its text, if it is on the line."""

    name: str
    place: str
    origin: str
    read: Callable[[Parameter], Value]
    text: str | None = None


class _Complaint(Struct, frozen=True):
    """One thing wrong with what was given, and what to type instead."""

    message: str
    hint: str = ""
    why: str = ""


_Settings = tuple[Sequence[_Setting], Sequence[_Complaint]]


def is_name(text: str) -> bool:
    """Whether ``text`` is a letter or ``_``, then letters, digits, ``_`` or ``-`` (ASCII)."""
    return _NAME.fullmatch(text) is not None


def bind(
    entry_point: EntryPoint,
    given: Sequence[str],
    file: Path | None,
    data: Mapping[str, DataEntry],
    root: Path,
    *,
    origin: str = COMMAND_LINE,
) -> dict[str, BoundParameter]:
    """One value for each declared parameter, in declared order: the default, then ``file``, then ``given`` on top.

    After them come those that the entry point appends, in the order in which they were given.
    ``given`` are the texts after ``-P``, or such texts from another ``origin``; ``data`` is the declared data
    that ``data:NAME`` may name, ``root`` the project's directory. Raises UsageError that names all that is wrong.
    """
    from_file, file_complaints = _read_file(file) if file else ((), ())
    from_line, line_complaints = _read_line(given, entry_point, origin)
    chosen, name_complaints = _choose([*from_file, *from_line], entry_point)
    declared = {**entry_point.parameters, **_appended(chosen, entry_point)}
    settings = {name: chosen.get(name) or _default(one) for name, one in declared.items()}
    missing = _missing([declared[name] for name, setting in settings.items() if setting is None])
    complaints = [*file_complaints, *line_complaints, *name_complaints, *missing]
    bound = {}
    for setting in filter(None, settings.values()):
        parameter = declared[setting.name]
        try:
            value = setting.read(parameter)
            bound[parameter.name] = _placed(BoundParameter(parameter, value, setting.origin), data, root)
        except ValueError as error:
            complaints.append(_unfit(setting, parameter, error))
    if complaints:
        raise _usage_error(entry_point, complaints)
    return bound


def _escape(parameter: Parameter, value: Value, root: Path) -> str:
    """Why a path in the value is not inside the project ``root``, ready to be shown; empty when all are."""
    if "path" not in (parameter.type, parameter.items if parameter.type == "list" else ""):
        return ""
    for text in (value.raw,) if isinstance(value.raw, str) else value.raw:
        if not text.startswith(DATA_PREFIX) and (reason := escape_reason(root, text)):
            return f"{shown(text)} is not a path inside the project: {reason}"
    return ""


def _unfit(setting: _Setting, parameter: Parameter, error: ValueError) -> _Complaint:
    """That a value is not as declared; of a secret it is not said what is wrong, for that would show it."""
    if not parameter.secret:
        return _Complaint(f"{setting.place}: {error}", _example(parameter), _declaration(parameter))
    unset = str(error) if setting.text is None and "is not set" in str(error) else "the value is not as declared"
    return _Complaint(f"{setting.place}: {unset}", secret_values.how_to_give(parameter), _declaration(parameter))


def _appended(chosen: Mapping[str, _Setting], entry_point: EntryPoint) -> Mapping[str, Parameter]:
    others = (name for name in chosen if name not in entry_point.parameters)
    return {name: Parameter(name, "str", appended=True) for name in others}


def _read_line(given: Sequence[str], entry_point: EntryPoint, origin: str) -> _Settings:
    settings, complaints = [], []
    for text in given:
        name, equals, value = text.partition("=")
        appended = entry_point.appends and _APPENDED.fullmatch(name)
        if not (is_name(name) or name in entry_point.parameters or appended):
            rule = "write -P NAME=VALUE; a name is a letter or _, then letters, digits, _ or -"
            complaints.append(
                _Complaint(f"-P {shown(name + equals)}: {shown(name)} is no name of a parameter", rule)
            )
        else:
            read = _reader(value) if equals else _no_value
            settings.append(_Setting(name, f"-P {name}", origin, read, value))
    return settings, complaints


def _reader(text: str) -> Callable[[Parameter], Value]:
    return lambda parameter: read_text(parameter, text)


def _no_value(parameter: Parameter) -> Value:
    example = "true" if parameter.type == "bool" else parameter.type.upper()
    raise ValueError(f"no value is given: write -P {parameter.name}={example}")


def _read_file(file: Path) -> _Settings:
    from projrun.spec import document  # most runs have no such file
    from projrun.spec.text import LARGEST, decode

    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        found = document.read(decode(data, str(file)), str(file))
    except OSError as error:
        raise UsageError(
            f"the parameters file {str(file)!r} cannot be read",
            why=error.strerror or str(error),
            hint="--params takes a YAML or JSON file that maps names to values",
        ) from None
    except SpecError as error:
        why = "\n".join(f"{problem.place}: {problem.message}" for problem in error.problems)
        hints = [problem.hint for problem in error.problems if problem.hint]
        what = f"the parameters file {str(file)!r} cannot be read"
        hint = next(iter([*hints, error.hint]), "") or "write it as YAML or JSON: a mapping of names to values"
        raise UsageError(what, why=why or error.why, hint=hint) from None
    if found.value is None:
        return (), ()
    if not isinstance(found.value, dict):
        return (), [_Complaint(f"{file} does not map names to values", "write each as `name: value`")]
    return [_entry(found, name, file) for name in found.value], ()


def _entry(found: Document, name: str, file: Path) -> _Setting:
    line, column = found.key_marks[(name,)]
    texts = {path[1:]: text for path, text in found.texts.items() if path[:1] == (name,)}
    return _Setting(
        name,
        f"{file}:{line}:{column}: {name if is_name(name) else shown(name)}",
        f"file: {file}",
        lambda parameter: read_native(parameter, found.value[name], texts),
    )


def _choose(
    settings: Sequence[_Setting], entry_point: EntryPoint
) -> tuple[Mapping[str, _Setting], Sequence[_Complaint]]:
    """The last setting of each declared name, and what is wrong with the names."""
    complaints = []
    for (name, origin), times in Counter((one.name, one.origin) for one in settings).items():
        if times > 1:
            message = f"{name} is given {times} times on the {origin}"
            complaints.append(_Complaint(message, f"keep one -P {name}=..."))
    chosen = {}
    for setting in settings:
        if entry_point.appends and _APPENDED.fullmatch(setting.name):
            chosen[setting.name] = setting
        if setting.name in entry_point.parameters:
            chosen[setting.name] = _taken_from_variable(setting, entry_point.parameters[setting.name])
        elif setting.name not in chosen:
            hint = did_you_mean(setting.name, entry_point.parameters) or "it declares none"
            complaints.append(
                _Complaint(f"{setting.place}: the entry point {entry_point.name!r} has no such parameter", hint)
            )
    return chosen, complaints


def _taken_from_variable(setting: _Setting, parameter: Parameter) -> _Setting:
    """The setting, with the variable that ``@env:VARIABLE`` names as the value of a secret."""
    variable = secret_values.named_in(setting.text or "") if parameter.secret else None
    return setting if variable is None else _of_variable(parameter, variable, setting.place)


def _of_variable(parameter: Parameter, variable: str, place: str) -> _Setting:
    def read(declared: Parameter) -> Value:
        return read_text(declared, secret_values.value_of(variable))

    return _Setting(parameter.name, place, secret_values.origin_of(variable), read)


def _default(parameter: Parameter) -> _Setting | None:
    if parameter.secret and (variable := secret_values.variable_of(parameter.name)) in os.environ:
        return _of_variable(parameter, variable, f"the variable {variable}")
    default = parameter.default
    if default is None:
        return None
    return _Setting(parameter.name, f"the default of {parameter.name}", "default", lambda _: default)


def _placed(bound: BoundParameter, data: Mapping[str, DataEntry], root: Path) -> BoundParameter:
    """The parameter with ``data:NAME`` followed to its path, and every path known to be inside the project."""
    text = bound.value.raw
    if bound.parameter.type == "path" and isinstance(text, str) and text.startswith(DATA_PREFIX):
        name = text.removeprefix(DATA_PREFIX)
        if name not in data:
            hint = did_you_mean(name, data) or "the project declares no data"
            raise ValueError(f"{shown(text)}: there is no data of that name ({hint})")
        path = data[name].path
        return replace(bound, value=Value(path, path), data=name)
    if bound.parameter.absolute and isinstance(text, str):
        from projrun.spec.existing import existing_path  # few parameters are

        found = existing_path(text, root)
        return replace(bound, value=Value(found, found))
    if reason := _escape(bound.parameter, bound.value, root):
        raise ValueError(reason)
    return bound


def _missing(parameters: Sequence[Parameter]) -> Sequence[_Complaint]:
    if not parameters:
        return ()
    names = ", ".join(f"{parameter.name} ({_kind(parameter)})" for parameter in parameters)
    line = " ".join(f"-P {parameter.name}={_kind_of_text(parameter)}" for parameter in parameters)
    return (_Complaint(f"no value for {names}, and no default", f"add {line}"),)


def _kind_of_text(parameter: Parameter) -> str:
    return "@env:VARIABLE" if parameter.secret else parameter.type.upper()


def _kind(parameter: Parameter) -> str:
    return f"list of {parameter.items}" if parameter.type == "list" else parameter.type


def _declaration(parameter: Parameter) -> str:
    words = [f"{parameter.name} is declared as {_kind(parameter)}"]
    words += [f"{word} {json.dumps(value, ensure_ascii=False)}" for word, value in parameter.constraints.items()]
    return ", ".join(words) + (f": {parameter.help}" if parameter.help else "")


def _example(parameter: Parameter) -> str:
    """What to type for a value that would do, as far as the declaration tells one."""
    limits = parameter.constraints
    default = parameter.default.raw if parameter.default else None
    if isinstance(default, str) and not default.startswith(DATA_PREFIX):
        value = default
    elif parameter.type == "list" or not limits:
        value = "true" if parameter.type == "bool" else parameter.type.upper()
    else:
        known = limits.get("enum") or [limits[word] for word in ("minimum", "maximum") if word in limits]
        value = str(known[0]) if known else parameter.type.upper()
    return f"-P {quote(f'{parameter.name}={value}')}"


def _usage_error(entry_point: EntryPoint, complaints: Sequence[_Complaint]) -> UsageError:
    if len(complaints) == 1:
        return UsageError(complaints[0].message, why=complaints[0].why, hint=complaints[0].hint)
    lines = [one.message + (f" ({one.why or one.hint})" if one.why or one.hint else "") for one in complaints]
    what = f"{len(complaints)} things are wrong with the parameters of {entry_point.name!r}"
    return UsageError(what, why="\n".join(lines), hint="mend all of them, then run again")
