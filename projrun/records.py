"""The record of a run to do again: by its id in a store, or a recipe.json from anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun.again import again_of
from projrun.core.errors import StoreError, UsageError, system_reason
from projrun.core.files import read_json, read_regular
from projrun.core.flags import OUTPUTS_UNKNOWN
from projrun.core.hashing import sha256_bytes
from projrun.core.values import Struct, replace
from projrun.recipe.document import VERSION
from projrun.recipe.model import Reproduces
from projrun.spec.place import project_around
from projrun.spec.schema import SCHEMA_FILE
from projrun.store.run import RUNNING, RunRecord
from projrun.store.store import Store

RECIPE = "recipe.json"
_SCHEMA = SCHEMA_FILE.with_name("recipe.v1.json")
_HINT = "name the recipe.json of a run, as its store has it"
GOES_ON = "it has not ended yet"
_LARGEST = 256 << 20  # bytes of a recipe


class Record(Struct, frozen=True):
    """A recipe, and its outcome where there is one. ``store`` is the one that holds the run, if one does.

    ``link`` names the run and its recipe; ``unended`` says why there is no outcome.
    """

    link: Reproduces
    recipe: Mapping[str, Any]
    outcome: Mapping[str, Any] | None
    store: Store | None
    unended: str = ""

    @property
    def created(self) -> str:
        """When the run was, ISO 8601 in UTC."""
        return str(self.recipe["created"])


def names_file(text: str) -> bool:
    """Whether RUN is the path of a recipe, or of the directory of one, and no name of a run in a store."""
    place = Path(text)
    return os.sep in text or place.suffix == ".json" or (place.is_dir() and (place / RECIPE).is_file())


def find_record(text: str, store: Path) -> Record:
    """The record that RUN names: a run of the store, or the file (or directory) of a recipe.

    ``last`` and ``last~N`` count only runs that have a recipe and are no reproductions themselves.
    Raises UsageError for what is neither, or for a file that is damaged or of a newer projrun; StoreError when the
    recipe of a run of the store is.
    """
    if names_file(text):
        place = Path(text)
        try:
            return _of_file(place / RECIPE if place.is_dir() else place)
        except StoreError as error:  # no store is at fault: another file was to be named
            raise UsageError(error.what, why=error.why, hint=error.hint) from error
    opened = Store(store)
    run = opened.resolve(text, project_around(Path()), _is_original)
    place = opened.runs_directory / run / RECIPE
    read = opened.read(run)
    if not place.exists():
        living = read.status == RUNNING
        raise UsageError(
            f"run {run} has no recipe",
            why=read.why_no_recipe,
            hint=f"projrun show {run} tells {'how far it is' if living else 'why it ended'};"
            " name one that began: projrun runs",
        )
    record = _of_file(place)
    return replace(record, unended=GOES_ON) if record.outcome is None and read.status == RUNNING else record


def _is_original(run: RunRecord) -> bool:
    """Whether ``last`` can be this run: what came of the last reproduction, or was refused, is never meant."""
    return run.recipe is not None and run.recipe.get("reproduces") is None


def _of_file(place: Path) -> Record:
    try:
        data = read_regular(place, _LARGEST)
    except OSError as error:
        raise UsageError(
            f"there is no recipe at {place}",
            why=system_reason(error, place),
            hint="name a run of the store (projrun runs --all), or a recipe.json",
        ) from error
    recipe = _checked(place, data)
    outcome, why = _outcome(place.with_name("outcome.json"), recipe["run"])
    link = Reproduces(recipe["run"], sha256_bytes(data))
    try:
        again_of(recipe, link)
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:  # the schema leaves some open
        raise StoreError(f"{place} is damaged", why=f"its environment lacks {error}", hint=_HINT) from error
    return Record(link, recipe, outcome, _store_around(place, recipe["run"]), why)


def _checked(place: Path, data: bytes) -> dict[str, Any]:
    """The recipe in ``data``, once it is one by its schema."""
    from projrun.core.json_schema import first_fault  # jsonschema is slow to import

    try:
        recipe = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{place} is not JSON: it is cut off, or damaged", why=str(error), hint=_HINT) from error
    version = recipe.get("version") if isinstance(recipe, dict) else None
    if not isinstance(recipe, dict) or recipe.get("document") != "recipe":
        raise StoreError(f"{place} is not the recipe of a run", why="it is another document", hint=_HINT)
    if isinstance(version, int) and version > VERSION:
        why = f"it has version {version}, this projrun knows version {VERSION}"
        raise StoreError(f"{place} is of a newer projrun", why=why, hint="update projrun")
    if fault := first_fault(recipe, _schema()):
        raise StoreError(f"{place} is damaged", why=fault, hint=_HINT)
    return recipe


def _outcome(place: Path, run: str) -> tuple[Mapping[str, Any] | None, str]:
    """What became of the run, or why that is not known."""
    from projrun.core.json_schema import first_fault

    try:
        outcome = read_json(place)
    except FileNotFoundError:
        return None, "there is no outcome.json beside its recipe"
    except (OSError, ValueError, RecursionError) as error:
        return None, f"its outcome.json cannot be read: {error}"
    if not isinstance(outcome, dict) or outcome.get("run") != run or first_fault(outcome, _schema()):
        return None, "its outcome.json is damaged, or another run's"
    return outcome, ""


def what_was_not_read(outcome: Mapping[str, Any] | None) -> str:
    """Why it is not known what a program wrote that ended; empty when it is, or when there is no outcome."""
    flags = outcome["flags"] if outcome else ()
    return next((str(flag["message"]) for flag in flags if flag["code"] == OUTPUTS_UNKNOWN), "")


def _schema() -> Any:
    return json.loads(_SCHEMA.read_bytes())  # ours, wherever a package manager links it from


def _store_around(place: Path, run: str) -> Store | None:
    """The store that a recipe lies in: it may have the snapshot and the outputs."""
    place = place.absolute()
    root = place.parent.parent.parent
    inside = place.parent.name == run and place.parent.parent.name == "runs" and (root / "store.json").is_file()
    return Store(root) if inside else None
