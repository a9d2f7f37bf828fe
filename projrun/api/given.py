"""What a program gives to a run: parameters, labels and a seed, as the command line would have them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from projrun.core.errors import UsageError

LARGEST_SEED = 2**32 - 1


def parameter_text(name: str, value: Any) -> str:
    """A parameter's value as the text after ``-P`` that means it. Raises UsageError for what no text means."""
    if hasattr(value, "tolist"):  # a number or array of numpy, or a column of pandas
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return value
    if isinstance(value, float | Decimal):
        return str(value).lower().replace("infinity", "inf")
    try:
        return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"parameter {name!r} cannot be given as {type(value).__name__}",
            why=str(error),
            hint="give text, a number, a truth value, a path, or a list or mapping of those",
        ) from error


def label(what: str, text: object) -> str:
    """A text for the record. Raises UsageError for what no record could keep."""
    try:
        if isinstance(text, str):
            text.encode()
            return text
        why = f"it is {text!r}"
    except UnicodeEncodeError as error:
        why = str(error)
    raise UsageError(f"{what} has to be text of valid Unicode", why=why, hint=f'{what}="draft", for example')


def valid_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags for the record. Raises UsageError for one without a name."""
    if "" in tags:
        raise UsageError("a tag needs a name", why="one of tags has an empty one", hint='tags={"draft": ""}')
    return {label("a tag", name): label("a tag", value) for name, value in tags.items()}


def valid_seed(seed: int | None) -> int | None:
    """A seed, or None. Raises UsageError for what is none."""
    is_number = isinstance(seed, int) and not isinstance(seed, bool)
    if seed is None or (is_number and 0 <= seed <= LARGEST_SEED):
        return seed
    raise UsageError(
        f"seed {seed!r}: a seed is a whole number from 0 to {LARGEST_SEED}", hint="seed=7, for example"
    )
