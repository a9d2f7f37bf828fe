"""The verdict on a run whose results projrun did not get to look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from projrun.core.flags import OUTPUTS_UNKNOWN, Flag
from projrun.core.values import replace
from projrun.judging import judged_again
from projrun.recipe.document import outcome_document, recipe_document
from projrun.recipe.model import Reproduces
from projrun.records import Record
from projrun.store.store import Store
from projrun.verdict.model import UNCHECKED
from tests.recipe import parts


@pytest.mark.parametrize("lost", ["the run", "the new run"])
def test_what_was_not_looked_at_is_not_called_different(tmp_path: Path, lost: str) -> None:
    recipe = recipe_document(parts.recipe_parts())
    whole = outcome_document(parts.outcome_parts())
    flag = Flag(OUTPUTS_UNKNOWN, "what the program wrote is not known: stopped by SIGINT")
    unread = outcome_document(replace(parts.outcome_parts(), outputs=(), metrics=(), flags=(flag,)))
    before, after = (unread, whole) if lost == "the run" else (whole, unread)
    record = Record(Reproduces(parts.RUN, parts.SHA), recipe, before, None)
    verdict = judged_again(record, recipe, after, Store(tmp_path), {})
    for name in ("outputs", "metrics"):
        assert [(one.state, one.message) for one in verdict.by_name[name].findings] == [(UNCHECKED, flag.message)]
    assert verdict.verdict == "unverified"
