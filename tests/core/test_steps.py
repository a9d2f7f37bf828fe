"""Work in steps: begun once, gone on with when nothing has to be waited for, and told where it is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from projrun.core.regex import regex
from projrun.core.steps import Begun, Steps, finished


class Work:
    """Two waits, and what was done so far."""

    def __init__(self, failing: bool = False) -> None:
        self.done: list[str] = []
        self.ready = False
        self._failing = failing

    def steps(self) -> Steps[str]:
        try:
            self.done.append("first")
            yield lambda: self.ready
            self.done.append("second")
            yield lambda: self.ready
            if self._failing:
                raise ValueError("no")
            return "result"
        finally:
            self.done.append("end")


def test_it_begins_at_once_and_goes_on_when_it_can() -> None:
    work = Work()
    begun = Begun(work.steps())
    begun.go_on()
    assert work.done == ["first"]
    work.ready = True
    begun.go_on()
    assert work.done == ["first", "second"]
    work.ready = False
    assert begun.result() == begun.result() == "result"
    begun.go_on()
    assert work.done == ["first", "second", "end"]


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    work = Work(failing=True)
    work.ready = True
    begun = Begun(work.steps())
    for _ in range(3):
        begun.go_on()
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            begun.result()


def test_what_nobody_asks_for_is_ended() -> None:
    work = Work()
    Begun(work.steps()).close()
    assert work.done == ["first", "end"]


def test_work_is_finished_in_one_go() -> None:
    assert finished(Work().steps()) == "result"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    seen: list[object] = []
    real = re.compile

    def compile_and_tell(text: str, flags: int = 0) -> re.Pattern[str]:
        seen.append(text)
        return real(text, flags)

    monkeypatch.setattr(re, "compile", compile_and_tell)
    yield seen


def test_a_regular_expression_is_compiled_at_its_first_use(compiled: list[object]) -> None:
    number = regex(r"(?P<whole>\d+)")
    assert not compiled
    found = number.fullmatch("12")
    assert found is not None
    assert found["whole"] == "12"
    assert number.sub("n", "a1") == "an"
    assert number.pattern == r"(?P<whole>\d+)"
    assert regex(rb"\d").search(b"a1") is not None
