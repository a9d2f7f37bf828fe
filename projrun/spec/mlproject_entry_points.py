"""The entry points of an MLproject file as those of a specification.

MLflow checks no type but ``path`` and ``uri``, and renders every value as Python's ``str`` of what YAML 1.1 makes
of it: 0.000001 becomes 1e-06, yes becomes True.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projrun.core.nearest import did_you_mean
from projrun.core.yaml_events import Node
from projrun.spec import command as commands
from projrun.spec import values
from projrun.spec.argument import shown, unfit
from projrun.spec.fault import Mark, Path
from projrun.spec.mlproject_notes import Notes
from projrun.spec.model import Parameter

_HELP = ("description", "help")
_KEYS = ("parameters", "command", *_HELP)
_PARAMETER_KEYS = ("type", "default", *_HELP)

# Types as people write them, and what they are here. None of them is checked but the last two.
_TYPES = {
    **dict.fromkeys(("int", "integer"), "int"),
    **dict.fromkeys(("float", "double", "number"), "float"),
    **dict.fromkeys(("bool", "boolean"), "bool"),
    "path": "path",
    "uri": "uri",
}
_UNCHECKED = ("int", "float", "bool")


class EntryPoints:
    """What an MLproject file declares to be run.

    ``value`` is as a specification has it, without the entry points that cannot be run; those are ``refused``,
    with the reason. ``marks`` are the places by the paths of ``value``.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.value: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        self.marks: dict[Path, Mark] = {}

    def read(self, node: Node) -> None:
        """Reads the node under ``entry_points``."""
        if node.kind != "mapping":
            self._notes.refuse(
                node, "'entry_points' maps names to entry points", "main: {command: python main.py}"
            )
            return
        for name, (key, below) in self._notes.entries(node, (), "").items():
            self._entry_point(name, key, below)

    def _entry_point(self, name: str, key: Node, node: Node) -> None:
        here: Path = ("entry_points", name)
        self.marks[here] = key.line, key.column
        if node.kind != "mapping":
            hint = f"{name}: {{command: ...}}"
            self._notes.refuse(node, "an entry point is a mapping with 'command' and 'parameters'", hint)
            return
        keys = self._notes.entries(node, _KEYS, "an entry point")
        parameters: dict[str, Any] = {}
        if "parameters" in keys:
            below = keys["parameters"][1]
            if below.kind != "mapping":
                hint = "remove the line, or write each below it as `name: {type: float, default: 0.1}`"
                self._notes.refuse(below, "'parameters' maps names to parameters", hint)
                return
            for one, (place, what) in self._notes.entries(below, (), "").items():
                path: Path = (*here, "parameters", one)
                self.marks[path] = place.line, place.column
                parameters[one] = self._parameter(one, place, what)
        reason = self._refusal(key, keys, parameters)
        if reason:
            self.refused[name] = reason
            return
        command = keys["command"][1]
        at: Path = (*here, "command")
        self.marks[at] = command.line, command.column
        self.value[name] = {
            **_help(keys),
            **({"parameters": parameters} if parameters else {}),
            "command": command.value,
            "shell": "format",
            "undeclared": "append",
        }

    def _refusal(self, key: Node, keys: Mapping[str, tuple[Node, Node]], parameters: Mapping[str, Any]) -> str:
        """Why it cannot be run, for what MLflow finds out only when it is; empty when it can."""
        if "command" not in keys:
            return self._notes.breaks(key, f"{key.value!r} has no 'command'", "command: python main.py")
        node = keys["command"][1]
        if node.kind != "scalar" or not isinstance(node.value, str):
            return self._notes.breaks(node, "the command is no text", "write it in one line, or after >-")
        try:
            command = commands.parse_format(node.value)
        except ValueError as error:
            return self._notes.breaks(node, str(error), "braces for the shell are written {{ and }}")
        unknown = [name for name in commands.placeholders(command) if name not in parameters]
        if unknown:
            hint = did_you_mean(unknown[0], parameters) or f"declare it under parameters: {unknown[0]}: str"
            return self._notes.breaks(node, f"{{{unknown[0]}}} is no parameter", hint)
        return ""

    def _parameter(self, name: str, key: Node, node: Node) -> dict[str, Any]:
        if node.kind == "scalar" and isinstance(node.value, str):
            return self._declared(name, node.value, None)
        if node.kind != "mapping":
            what = "nothing" if node.value is None else "no text"
            message = f"the parameter {name!r} is a type or a mapping, and this is {what}"
            self._notes.refuse(
                node if node.value is not None else key, message, f"{name}: {{type: str, default: ...}}"
            )
            return {"type": "str"}
        glued = [one for one in node.written if ":" in str(one.value)]
        for one in glued:
            word, _, rest = str(one.value).partition(":")
            if word in _PARAMETER_KEYS:
                self._notes.warn(one, f"{one.value!r} is one word for YAML, and says nothing", f"{word}: {rest}")
        known = (*_PARAMETER_KEYS, *(str(one.value) for one in glued))
        keys = self._notes.entries(node, known, "a parameter")
        kind = keys["type"][1].plain() if "type" in keys else "string"
        default = keys["default"][1] if "default" in keys else None
        return {**self._declared(name, str(kind), default), **_help(keys)}

    def _declared(self, name: str, written: str, default: Node | None) -> dict[str, Any]:
        kind = _TYPES.get(written, "str")
        value: dict[str, Any] = {"type": kind}
        if kind in _UNCHECKED:
            value["check"] = False
        if kind == "path":
            value["absolute"] = True
        if default is None or (default.kind == "scalar" and default.value is None):
            return value
        text = str(default.plain())
        if reason := self._unusable(name, kind, text):
            message = f"the default of {name!r} cannot be used, and one has to be given: {reason}"
            self._notes.warn(default, message)
            return value
        return {**value, "default": text}

    def _unusable(self, name: str, kind: str, text: str) -> str:
        if reason := unfit(text):
            return f"{shown(text)}: {reason}"
        try:
            values.read_text(Parameter(name, kind, checked=kind not in _UNCHECKED), text)
        except ValueError as error:
            return str(error)
        return ""


def _help(keys: Mapping[str, tuple[Node, Node]]) -> dict[str, Any]:
    found = next((keys[word][1] for word in _HELP if word in keys), None)
    if found is None or found.kind != "scalar" or not isinstance(found.value, str):
        return {}
    return {"help": " ".join(found.value.split())}
