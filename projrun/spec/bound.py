"""Bound parameters as a record and back, and as the file that a program reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from projrun.spec import numerals, secret_values
from projrun.spec.model import BoundParameter, Parameter, Value

# What rendering a command needs to know of a parameter beside its type.
_MARKS = ("absolute", "appended")


def to_document(bound: BoundParameter) -> dict[str, Any]:
    """A bound parameter as JSON, as the recipe holds it; :func:`from_document` reads it back."""
    parameter, value = bound.parameter, bound.value
    entry: dict[str, Any] = {"name": parameter.name, "type": parameter.type}
    if parameter.type == "list":
        entry["items"] = parameter.items
    if parameter.flag is not None:
        entry["flag"] = parameter.flag
    entry["raw"] = list(value.raw) if isinstance(value.raw, tuple) else value.raw
    entry |= {"value": value.value, "origin": bound.origin}
    if bound.data is not None:
        entry["data"] = bound.data
    entry |= {mark: True for mark in _MARKS if getattr(parameter, mark)}
    if parameter.secret:  # its length is nobody's business either
        entry |= {"raw": secret_values.MASK, "value": secret_values.MASK, "secret": True}
    return entry


def from_document(entry: Mapping[str, Any]) -> BoundParameter:
    """A bound parameter out of :func:`to_document`'s JSON: enough to render the command again, exactly."""
    raw = entry["raw"]
    value = Value(tuple(raw) if isinstance(raw, list) else raw, entry["value"])
    items, flag, secret = entry.get("items", "str"), entry.get("flag"), entry.get("secret", False)
    absolute, appended = (entry.get(mark, False) for mark in _MARKS)
    parameter = Parameter(
        entry["name"],
        entry["type"],
        items=items,
        flag=flag,
        secret=secret,
        absolute=absolute,
        appended=appended,
    )
    return BoundParameter(parameter, value, entry["origin"], entry.get("data"))


def file_text(bound: Mapping[str, BoundParameter]) -> bytes:
    """The JSON of the file behind ``{params_file}``: each name with its value, numbers digit for digit.

    A number that JSON cannot hold, or that no ordinary reader of it can, is its text.
    """
    entries = (f"  {_quoted(name)}: {_token(one.parameter, one.value)}" for name, one in bound.items())
    return ("{\n" + ",\n".join(entries) + "\n}\n").encode() if bound else b"{}\n"


def _token(parameter: Parameter, value: Value) -> str:
    """A value as JSON."""
    if parameter.type != "list":
        return _scalar_token(parameter.type, str(value.raw), value.value)
    items = zip(value.raw, value.value, strict=True)
    return f"[{', '.join(_scalar_token(parameter.items, raw, item) for raw, item in items)}]"


def _scalar_token(kind: str, raw: str, value: Any) -> str:
    if kind == "float" and isinstance(value, float):
        return numerals.in_json(raw)
    if kind == "json":
        from projrun.spec import json_value  # few programs have one

        found, texts = json_value.parse(raw)
        return json_value.write(json_value.holdable(found, texts), texts)
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
