"""The eight types of a parameter: what a text means, decided by the declared type and by nothing else.

``docs/reference/parameters.md`` says which texts each type takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from projrun.core.regex import regex
from projrun.spec import constraints, json_value, numerals
from projrun.spec.argument import shown, unfit
from projrun.spec.fault import Path
from projrun.spec.model import DATA_PREFIX, Parameter, Value

# RFC 3986, section 3: a scheme, a colon, and something after it.
_URI = regex(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f]+")

# One item of a row (RFC 4180, section 2), in quotes with doubled quotes inside, or bare.
_ITEM = regex(r'"(?P<quoted>(?:[^"]|"")*)"|(?P<bare>[^",]*)')

# How many wrong items of a list an error names.
_TOLD = 5

_YAML_SPECIAL = regex(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)


def read_text(parameter: Parameter, text: str) -> Value:
    """What ``text``, as from ``-P``, means for the declared type. Raises ValueError with a message for people.

    ``raw`` is the exact text; for a list, that of each item.
    """
    if parameter.type == "list":
        return _list(parameter, _item_texts(parameter.items, text))
    return _scalar(parameter, parameter.type, text)


def read_native(parameter: Parameter, value: object, texts: Mapping[Path, str]) -> Value:
    """What a value out of a YAML or JSON document means for the declared type. Raises ValueError.

    ``texts`` holds the source text of the plain scalars in it, by their path from it. A scalar is its text,
    read as :func:`read_text` reads it; only ``json`` takes the value for what the document says it is.
    """
    if parameter.type != "list":
        return _scalar(parameter, parameter.type, _native_text(parameter.type, value, texts))
    if not isinstance(value, list):
        raise ValueError(f"{_described(value)} is not a list: write [one, two], or [] for none")
    return _list(parameter, _native_items(parameter.items, value, texts))


def _scalar(parameter: Parameter, kind: str, text: str) -> Value:
    if reason := unfit(text):
        raise ValueError(f"{shown(text)} cannot be used: {reason}")
    try:
        value = _READERS[kind](text)
    except ValueError:
        if parameter.checked:
            raise
        return Value(text, text)
    if broken := constraints.violations(kind, text, value, parameter.constraints):
        raise ValueError(f"{shown(text)} must {' and '.join(broken)}")
    return Value(text, value)


def _list(parameter: Parameter, texts: Sequence[str]) -> Value:
    items, wrong = [], []
    for number, text in enumerate(texts, 1):
        try:
            items.append(_item(parameter, text))
        except ValueError as error:
            wrong.append(f"item {number}: {error}")
    if wrong:
        more = f"; and {len(wrong) - _TOLD} more items" if len(wrong) > _TOLD else ""
        raise ValueError("; ".join(wrong[:_TOLD]) + more)
    values = [item.value for item in items]
    if broken := constraints.list_violations(parameter.items, texts, values, parameter.constraints):
        raise ValueError(f"the list must {' and '.join(broken)}")
    return Value(tuple(texts), values)


def _item(parameter: Parameter, text: str) -> Value:
    if parameter.items == "path" and text.startswith(DATA_PREFIX):
        raise ValueError(f"{shown(text)}: data:NAME is for a parameter of type path, not for an item of a list")
    return _scalar(parameter, parameter.items, text)


def _item_texts(kind: str, text: str) -> list[str]:
    """The items of a list written as one text: a JSON array when it begins with ``[``, else a row."""
    if text.startswith("["):
        try:
            value, texts = json_value.parse(text)
        except ValueError as error:
            raise ValueError(f"{shown(text)} begins with [ and is {error}") from None
        return _native_items(kind, value, texts)
    return _row(text) if text else []


def _row(text: str) -> list[str]:
    items: list[str] = []
    at = 0
    while True:
        found = _ITEM.match(text, at)
        assert found is not None  # the bare form takes the empty text
        at = found.end()
        if text[at : at + 1] not in ("", ","):
            raise ValueError(
                f"{shown(text)} has a quote in the middle of item {len(items) + 1}: write the item in quotes"
                ' with each quote doubled, or the list as a JSON array ["one", "two"]'
            )
        quoted = found["quoted"]
        items.append(found["bare"] if quoted is None else quoted.replace('""', '"'))
        if at == len(text):
            return items
        at += 1


def _native_items(kind: str, value: Sequence[Any], texts: Mapping[Path, str]) -> list[str]:
    found = []
    for index, item in enumerate(value):
        try:
            found.append(_native_text(kind, item, texts, (index,)))
        except ValueError as error:
            raise ValueError(f"item {index + 1}: {error}") from None
    return found


def _native_text(kind: str, value: object, texts: Mapping[Path, str], path: Path = ()) -> str:
    if kind == "json":
        return json_value.write(value, texts, path)
    if value is None:
        instead = "leave the item out" if path else "leave the key out to use the default"
        raise ValueError(f'null is not {_a(kind)}: {instead}, or write "" for an empty text')
    if isinstance(value, list | dict):
        raise ValueError(f"{_described(value)} is not {_a(kind)}")
    if isinstance(value, str):
        return value
    text = texts.get(path, json.dumps(value))
    if kind == "float" and _YAML_SPECIAL.fullmatch(text):
        # YAML's spelling of infinity and NaN is syntax of YAML, which few programs read.
        return text.lower().replace(".", "")
    return text


def _described(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else shown(value if isinstance(value, str) else json.dumps(value))


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "int" else f"a {kind}"


def _int(text: str) -> int | str:
    if not numerals.is_int(text):
        raise ValueError(f"{shown(text)} is not an int: write digits, with a sign or without, such as 3 or -12")
    return numerals.whole(text)


def _float(text: str) -> float | str:
    if not numerals.is_float(text):
        raise ValueError(f"{shown(text)} is not a float: write a number such as 0.5, -3 or 1e-4, or inf or nan")
    return numerals.real(text)


def _bool(text: str) -> bool:
    if text in ("true", "false"):
        return text == "true"
    meant = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}
    word = meant.get(text.lower(), text.lower())
    hint = f"write {word}" if word in ("true", "false") else "write true or false"
    raise ValueError(f"{shown(text)} is not a bool: {hint}")


def _path(text: str) -> str:
    if not text:
        raise ValueError("an empty text is not a path: write . for the project's directory")
    return text


def _uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not a uri: write a scheme, a colon and the rest, without blanks (as %20),"
            " such as s3://bucket/key or file:///tmp/x"
        )
    return text


def _json(text: str) -> Any:
    try:
        return json_value.holdable(*json_value.parse(text))
    except ValueError as error:
        raise ValueError(f"{shown(text)} cannot be read: {error}") from None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "int": _int,
    "float": _float,
    "str": str,
    "bool": _bool,
    "path": _path,
    "uri": _uri,
    "json": _json,
}
