from __future__ import annotations

from tests.recipe.reference import PAGE, page


def test_the_reference_is_the_one_of_the_schema() -> None:
    assert PAGE.read_text() == page(), "write it anew with: python -m tests.recipe.reference"
