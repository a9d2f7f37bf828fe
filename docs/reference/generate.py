"""Writes docs/reference/project-spec.md from schemas/project-spec.v1.json: python docs/reference/generate.py"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCHEMA = HERE.parent.parent / "schemas" / "project-spec.v1.json"
PAGE = HERE / "project-spec.md"

INTRODUCTION = """\
# ProjectSpec.yaml, version 1

<!-- Made from schemas/project-spec.v1.json by docs/reference/generate.py: change those, not this. -->

What a project needs, and what of it can be run. `projrun check` lists everything that is wrong with a
specification, each with its place in the file.

```yaml
# yaml-language-server: $schema=schemas/project-spec.v1.json
version: 1
name: bikes
environment:
  python: "3.11"                     # series or exact; never silently another one
  lock: requirements.lock            # every line pinned and hashed
  requirements: requirements.in      # what projrun lock compiles it from
  variables: {OMP_NUM_THREADS: "1"}  # set, recorded
  inherit: [CUDA_VISIBLE_DEVICES]    # passed from the caller, recorded
  secrets: [AWS_SECRET_ACCESS_KEY]   # passed, name recorded, value never
data:
  counts: {path: data/hourly_counts.csv}
entry_points:
  train:
    help: Fit one model.
    parameters:
      depth: {type: int, default: 3, minimum: 1, maximum: 30, help: Maximum tree depth.}
      criterion: {type: str, choices: [gini, entropy], default: gini}
      features: {type: list, items: str, default: [hour, lag_week]}
      log_target: {type: bool, default: false, flag: --log-target}
      counts: {type: path, default: "data:counts"}
    command: python -m hyper.train --depth {depth} --by {criterion} {log_target} --counts {counts} {features}
    outputs: [results/model.pkl]
    metrics: [results/metrics.json]
    timeout: 2h
```

The first line is for editors that check a file while it is written: put the path of the schema there
(`projrun/schemas/project-spec.v1.json` of the installed package, or `schemas/` of a checkout).

## How the file is read

- YAML by the rules of version 1.2: only `true`, `false`, `null`, `~` and numbers are not text. `no`, `on`,
  `2020-10-10` and `12:30` are text.
- Where text is wanted, a number that is not quoted keeps its exact source text: `python: 3.10` is 3.10, not 3.1.
- Refused, with the line: a key that is there twice, a key that is no text, tags (`!x`), anchors and aliases
  (`&x`, `*x`), directives (`%YAML`), a second document, a file over 10 MB or not in UTF-8.
- A key that is not named below is an error. Keys in bold must be there.
- Paths are relative to the project and stay inside it.
"""


def page() -> str:
    """The whole reference page."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    shown = [
        section for section in definitions.values() if "properties" in section or section["title"] == "a command"
    ]
    parts = [_section("The specification", schema, definitions)]
    parts += [_section(section["title"].capitalize(), section, definitions) for section in shown]
    parts.append(_keys_by_type(definitions["parameter"]))
    return "\n".join([INTRODUCTION, *("\n".join(part) + "\n" for part in parts)])


def _section(title: str, section: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    yield from (f"## {title}", "", section["description"])
    if "properties" in section:
        yield from ("", "| key | value | meaning |", "|---|---|---|")
        for key, entry in section["properties"].items():
            name = f"**{key}**" if key in section.get("required", ()) else key
            named = definitions.get(entry.get("$ref", "").removeprefix("#/$defs/"), {})
            yield f"| {name} | {_kind(entry, named)} | {_meaning({**named, **entry})} |"
    if section.get("examples") and "$schema" not in section:
        yield from ("", "Examples:", "")
        yield from (f"    {_flow(example)}" for example in section["examples"])


def _keys_by_type(parameter: dict[str, Any]) -> Iterator[str]:
    yield from ("## The keys that go with a type", "", "| type | keys besides `type` and `help` |", "|---|---|")
    for branch in parameter["allOf"]:
        asked = branch["if"].get("properties")
        if not asked:
            continue
        types = _words(asked["type"])
        items = f" of {_words(asked['items'])}" if "items" in asked else ""
        keys = [key for key in branch["then"]["propertyNames"]["enum"] if key not in ("type", "help")]
        yield f"| {types}{items} | {', '.join(keys)} |"


def _words(entry: dict[str, Any]) -> str:
    return ", ".join(f"`{_flow(word)}`" for word in entry.get("enum", [entry.get("const")]))


def _kind(entry: dict[str, Any], named: dict[str, Any]) -> str:
    if named:
        return str(named["title"])
    if "const" in entry or "enum" in entry:
        return _words(entry)
    words = {"array": "a list", "object": "a mapping", "string": "text", "number": "a number"}
    words |= {"integer": "a whole number", "boolean": "`true` or `false`"}
    types = entry.get("type", [])
    return " or ".join(words[kind] for kind in ([types] if isinstance(types, str) else types)) or "any value"


def _meaning(entry: dict[str, Any]) -> str:
    text = entry["description"]
    if "properties" in entry:
        text = text.partition(".")[0] + ", see below."
    elif "default" in entry:
        text += f" Default: `{_flow(entry['default'])}`."
    elif entry.get("examples"):
        text += f" For example {', '.join(f'`{_flow(example)}`' for example in entry['examples'])}."
    return str(text).replace("|", "\\|")


def _flow(value: Any) -> str:
    """A value as YAML in one line, with no more quotes than it needs."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and value[:1].isalpha() and not set(value) & set(":{}[],#"):
        return value
    return json.dumps(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
