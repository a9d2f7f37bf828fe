"""What the documents of a run say, as flat facts that can be compared with another run's: name to JSON value.

What names the run itself (its directory, the key within paths) is taken out of texts: it makes no difference. A
key that older recipes do not have is read as not said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from projrun.core.values import Struct

Facts = Mapping[str, Any]

# Set anew for each run; the seed is a layer of its own.
_OF_EACH_RUN = frozenset(
    {
        *("PROJRUN_RUN_ID", "PROJRUN_RUN_DIR", "PROJRUN_PARAMS_FILE", "PROJRUN_SEED", "PROJRUN_METRICS"),
        "PYTHONPYCACHEPREFIX",
    }
)


class Documents(Struct, frozen=True):
    """What can be read of a run. ``missing`` says why a document is None, by its name."""

    run: str
    status: str
    start: Mapping[str, Any] | None
    recipe: Mapping[str, Any] | None
    outcome: Mapping[str, Any] | None
    missing: Mapping[str, str]

    def why_without(self, document: str) -> str | None:
        """Why a layer that needs this document cannot be read; None when it is there."""
        found = {"start": self.start or self.recipe, "result": True}
        return None if found.get(document, getattr(self, document, None)) else self.missing.get(document, "")


def project(documents: Documents) -> Facts:
    """Name and place of the project, and the entry point."""
    if documents.recipe:
        spec, entry_point = documents.recipe["spec"], documents.recipe["entry_point"]
        return {"name": spec["project"], "root": spec["root"], "entry point": entry_point["name"]}
    start = documents.start or {}
    told = start["project"]
    return {"name": told["name"], "root": told["root"], "entry point": start["entry_point"]}


def environment(documents: Documents) -> Facts:
    """Which environment it is, and the key of all that went into it."""
    found = _recipe(documents)["environment"]
    return {key: found[key] for key in ("name", "kind", "builder", "key")} | {
        "source distributions": list(found.get("source_distributions") or ()) or None
    }


def interpreter(documents: Documents) -> Facts:
    """The Python. Nothing for an image, whose own is among the image's facts."""
    found = _recipe(documents)["environment"]["interpreter"] or {}
    return {
        key: found.get(key) for key in ("implementation", "version", "in_process", "platform", "soabi", "path")
    }


def lock(documents: Documents) -> Facts:
    """Which lock, by its digest."""
    found = _recipe(documents)["environment"]["lock"] or {}
    return {key: found.get(key) for key in ("path", "origin", "sha256")}


def packages(documents: Documents) -> Facts:
    """The installed distributions by normalised name, with version and digests ("" or None: not known)."""
    return _by_name(
        (_normalised(one["name"]), {key: one.get(key) for key in ("version", "archive", "sha256")})
        for one in _recipe(documents)["environment"]["installed"]
    )


def image(documents: Documents) -> Facts:
    """The image, what it was made from, and how its container was run. Nothing where there was none."""
    container = _recipe(documents)["environment"].get("container")
    if not container:
        return {}
    found, build = container["image"], container["build"] or {}
    told = {key: found[key] for key in ("id", "reference", "digests", "platform", "entrypoint")}
    told |= {key: container[key] for key in ("engine", "python")}
    for base in container["bases"]:
        told[f"base {base['reference']}"] = base["digest"]
    for key in ("file", "dockerfile", "target", "network", "secrets"):
        told[f"build {key}"] = build.get(key)
    told |= {f"build argument {name}": value for name, value in (build.get("arguments") or {}).items()}
    told["build context"] = (build.get("context") or {}).get("sha256")
    return told | {f"container {name}": value for name, value in container["configuration"].items()}


def system_packages(documents: Documents) -> Facts:
    """The packages of an image's operating system: version by name and architecture."""
    container = _recipe(documents)["environment"].get("container")
    found = container["packages"] if container else ()
    return _by_name((f"{one['name']}:{one['architecture']}", one["version"]) for one in found)


def parameters(documents: Documents) -> Facts:
    """Each parameter with its declared type and what its text means to that."""
    return _by_name(
        (one["name"], {"type": _type(one), "value": one["value"]}) for one in _recipe(documents)["parameters"]
    )


def seed(documents: Documents) -> Facts:
    """The seed, and which libraries were seeded with it."""
    recipe = _recipe(documents)
    return {"seed": recipe["seed"], "seeding": list(recipe.get("seeding") or ()) or None}


def command(documents: Documents) -> Facts:
    """The command as it was started, and where."""
    recipe = _recipe(documents)
    return {
        "argv": [_placeless(word, recipe) for word in recipe["argv"]],
        "shell": recipe["entry_point"]["command"]["shell"],
        "directory": recipe["cwd"],
        "timeout": recipe["timeout"],
        "terminals": list(recipe.get("terminals") or ()),
    }


def variables(documents: Documents) -> Facts:
    """The program's variables, with who wanted them; of a secret that it was there."""
    recipe = _recipe(documents)
    found: dict[str, Any] = {name: {"value": None, "from": "secret"} for name in recipe["variables"]["secrets"]}
    for group in ("set", "inherited", "base"):
        for name, value in recipe["variables"][group].items():
            if group != "base" or not (name in _OF_EACH_RUN or _is_seed(name, value, recipe)):
                found[name] = {"value": _placeless(value, recipe), "from": group}
    return dict(sorted(found.items()))


def inputs(documents: Documents) -> Facts:
    """Each input by name: where it is, and what was there."""
    return _by_name(
        (one["name"], {key: one[key] for key in ("path", "kind", "size", "files", "sha256")})
        for one in _recipe(documents)["inputs"]
    )


def host(documents: Documents) -> Facts:
    """The machine."""
    found = dict(_recipe(documents)["host"])
    system = found.pop("os")
    found["gpus"] = [" ".join(str(word) for word in gpu.values() if word) for gpu in found["gpus"]]
    return {"os": " ".join(str(word) for word in (system["name"], system["version"]) if word), **found}


def outputs(documents: Documents) -> Facts:
    """Each output by path. ``stale``: it was there, and the run did not touch it."""
    return _by_name(
        (one["path"], {key: one[key] for key in ("kind", "size", "files", "sha256", "stale")})
        for one in _outcome(documents)["outputs"]
    )


def metrics(documents: Documents) -> Facts:
    """Each metric by name; one that several files have, with its file."""
    found = _outcome(documents)["metrics"]
    times = Counter(one["name"] for one in found)
    return _by_name(
        (one["name"] if times[one["name"]] == 1 else f"{one['name']} ({one['file']})", one["value"])
        for one in found
    )


def result(documents: Documents) -> Facts:
    """How it ended, or that it has not."""
    outcome = documents.outcome or {}
    process = outcome.get("process") or {}
    told = {key: outcome.get(key) or None for key in ("phase", "reason")}
    return {
        "status": documents.status,
        "exit code": outcome.get("exit_code"),
        "signal": process.get("signal"),
        **told,
    }


def _is_seed(name: str, value: str, recipe: Mapping[str, Any]) -> bool:
    """Whether a variable only says the seed again."""
    return name == "PYTHONHASHSEED" and value == str(recipe["seed"])


def _recipe(documents: Documents) -> Mapping[str, Any]:
    assert documents.recipe is not None
    return documents.recipe


def _outcome(documents: Documents) -> Mapping[str, Any]:
    assert documents.outcome is not None
    return documents.outcome


def _by_name(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Facts of a list; a name that is there again is counted."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not isinstance(name, str):
            raise TypeError(f"{type(name).__name__} in place of a name")
        count, own = 1, name
        while own in found:
            count += 1
            own = f"{name} #{count}"
        found[own] = value
    return found


def _type(parameter: Mapping[str, Any]) -> str:
    return f"{parameter['type']} of {parameter['items']}" if parameter.get("items") else str(parameter["type"])


def _normalised(name: str) -> str:
    """As the Python Packaging User Guide has it, under Names and normalization."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _placeless(text: str, recipe: Mapping[str, Any]) -> str:
    """A text without the places that are this run's own."""
    own = {
        "{params_file}": recipe["variables"]["base"].get("PROJRUN_PARAMS_FILE"),
        "{run_dir}": recipe["variables"]["base"].get("PROJRUN_RUN_DIR"),
        "{key}": recipe["environment"]["key"],
    }
    for name, place in own.items():
        text = text.replace(place, name) if place else text
    return text
