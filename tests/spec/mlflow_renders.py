"""What the installed mlflow makes of projects: python mlflow_renders.py DIRECTORY..., by its own python.

Prints JSON: for each directory the error it is refused with, or its environment and its commands.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

TRICKY = 'it\'s $HOME `x` "y" * {z}'
MORE = {"extra": "a b", "other.name": "1"}


def calls(types: dict[str, str]) -> list[dict[str, str]]:
    """What an entry point with parameters of these types is run with: nothing, all of them, and more."""
    file = sorted(os.listdir())[0]  # noqa: PTH208 - text
    known = {"path": file, "uri": "s3://bucket/key"}
    every = {name: known.get(kind, TRICKY) for name, kind in types.items()}
    return [{}, every, {**every, **MORE}]


def scripts() -> list[str]:
    """Files here that may be run by their names, and one that may not."""
    return [*(one for one in sorted(os.listdir()) if one.endswith((".py", ".sh"))), "nothing.txt"]  # noqa: PTH208


def _rendered(project: Any, name: str) -> list[str | None]:
    entry_point = project.get_entry_point(name)
    found: list[str | None] = []
    for given in calls({one: str(parameter.type) for one, parameter in entry_point.parameters.items()}):
        try:
            found.append(entry_point.compute_command(given, tempfile.mkdtemp()))
        except Exception:
            found.append(None)
    return found


def _of(directory: str) -> dict[str, Any]:
    from mlflow.projects import _project_spec  # type: ignore[import-not-found] # of another environment

    os.chdir(directory)
    try:
        project = _project_spec.load_project(directory)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    commands: dict[str, list[str | None]] = {}
    for name in (*project._entry_points, *scripts()):
        try:
            commands[str(name)] = _rendered(project, name)
        except Exception:
            commands[str(name)] = [None] * 3
    file = project.env_config_path and os.path.relpath(project.env_config_path, directory)
    return {"environment": "docker" if project.docker_env else file, "commands": commands}


if __name__ == "__main__":
    os.environ["SHELL"] = "bash"
    json.dump({Path(one).name: _of(one) for one in sys.argv[1:]}, sys.stdout)
