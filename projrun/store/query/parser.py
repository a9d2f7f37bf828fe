"""A query's text to its tree: recursive descent, by the grammar of docs/reference/query.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from projrun.core.errors import UsageError
from projrun.store.facts import GROUPS
from projrun.store.query.lexer import END, FIELD, NUMBER, TEXT, WORD, Token, tokens, unknown_field
from projrun.store.query.mistakes import mistake
from projrun.store.query.model import (
    EVERYTHING,
    FIELDS,
    Alone,
    And,
    Comparison,
    Condition,
    Field,
    In,
    Is,
    Key,
    Like,
    Not,
    Or,
    Value,
)

if TYPE_CHECKING:
    from decimal import Decimal

DEPTH = 20
CONDITIONS = 200
_PATTERN = 1000  # characters

_OPERATORS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_RESERVED = ("and", "or", "not", "in", "like", "ilike", "is", "null", "nan", "true", "false", "inf")
_COMPARISONS = "=, !=, <, <=, >, >=, like, in or is"


def parse(text: str) -> Condition:
    """The tree of a query; of an empty one, what holds for every run. Raises UsageError with the place."""
    return _Parser(text).query() if text.strip() else EVERYTHING


def parse_sort(texts: Sequence[str]) -> tuple[Key, ...]:
    """The keys of ``-metrics.rmse,started``, several texts one after the other. Raises UsageError."""
    return tuple(key for text in texts for key in _Parser(text).fields())


def parse_fields(texts: Sequence[str]) -> tuple[Key, ...]:
    """The fields of ``status,params.model``, several texts one after the other. Raises UsageError."""
    return tuple(key for text in texts for key in _Parser(text).fields(signs=False))


class _Parser:
    """The state of reading one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0
        self._count = 0

    def query(self) -> Condition:
        condition = self._or()
        if self._next.kind != END:
            raise self._wrong("the query should be over here, or go on with and, or", "and, or, or the end")
        return condition

    def fields(self, *, signs: bool = True) -> tuple[Key, ...]:
        found = []
        while True:
            descending = signs and self._take_sign("-")
            at = self._next.at
            found.append(Key(self._field(), descending, self._text, at))
            if self._next.kind == END:
                return tuple(found)
            if not self._take_sign(","):
                raise self._wrong("fields are separated by commas", ", or the end")

    def _or(self) -> Condition:
        terms = [self._and()]
        while self._take_word("or"):
            terms.append(self._and())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _and(self) -> Condition:
        terms = [self._not()]
        while self._take_word("and"):
            terms.append(self._not())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _not(self) -> Condition:
        if not (self._next.is_word("not") or self._next.is_sign("(")):
            return self._condition()
        self._depth += 1
        if self._depth > DEPTH:
            raise mistake(
                self._text,
                self._next.at,
                f"the query is nested too deeply: more than {DEPTH} parentheses and nots in one another",
                hint="leave out parentheses that change nothing",
            )
        if self._take_word("not"):
            inner: Condition = Not(self._not())
        else:
            opened = self._take()
            inner = self._or()
            if not self._take_sign(")"):
                raise self._wrong(f"the parenthesis of column {opened.at + 1} is not closed", "and, or, or )")
        self._depth -= 1
        return inner

    def _condition(self) -> Condition:
        at = self._next.at
        self._count += 1
        if self._count > CONDITIONS:
            raise mistake(
                self._text,
                at,
                f"the query has more than {CONDITIONS} conditions",
                hint="in (…) takes any number of values",
            )
        field = self._field()
        if self._next.text in _OPERATORS:
            operator = _OPERATORS[self._take().text]
            return self._comparison(field, operator, at)
        if self._take_word("is"):
            return self._is(field, at)
        negated = self._take_word("not")
        if self._next.is_word("like", "ilike"):
            fold = self._take().is_word("ilike")
            found: Condition = Like(field, self._pattern(), fold, at)
        elif self._take_word("in"):
            found = In(field, self._list(), at)
        elif negated:
            raise self._wrong("after a field, not goes with like and in", "like or in")
        elif self._next.kind == END or self._next.is_sign(")") or self._next.is_word("and", "or"):
            return Alone(field, at)
        else:
            raise self._wrong(f"{field.text} is not compared with anything", _COMPARISONS)
        return Not(found) if negated else found

    def _comparison(self, field: Field, operator: str, at: int) -> Condition:
        if self._next.is_word("null", "nan") and operator in ("=", "!="):
            test = Is(field, self._take().text.lower(), at)
            return test if operator == "=" else Not(test)
        return Comparison(field, operator, self._value(), at)

    def _is(self, field: Field, at: int) -> Condition:
        negated = self._take_word("not")
        if not self._next.is_word("null", "nan"):
            raise self._wrong("is asks whether there is a value, or whether it is a number", "null or nan")
        test = Is(field, self._take().text.lower(), at)
        return Not(test) if negated else test

    def _pattern(self) -> Value:
        value = self._value()
        if not isinstance(value.value, str):
            raise mistake(
                self._text, value.at, "like takes text", expected="text in quotes", hint='like "a%" for example'
            )
        if len(value.value) > _PATTERN:
            raise mistake(
                self._text, value.at, f"a pattern has at most {_PATTERN:,} characters", hint="write a shorter one"
            )
        return value

    def _list(self) -> tuple[Value, ...]:
        if not self._take_sign("("):
            raise self._wrong("in takes values in parentheses", "(")
        values = [self._value()]
        while self._take_sign(","):
            values.append(self._value())
        if not self._take_sign(")"):
            raise self._wrong("the list of values is not closed", ", or )")
        return tuple(values)

    def _field(self) -> Field:
        token = self._next
        if token.kind == FIELD and token.field is not None:
            return self._take().field or token.field
        if token.kind == WORD and token.text in FIELDS:
            return Field("", self._take().text)
        if token.kind == WORD and token.text in GROUPS:
            raise self._wrong(f"{token.text} is a group of fields", f"{token.text}.NAME")
        if token.kind == WORD and not token.is_word(*_RESERVED):
            raise unknown_field(self._text, token.at, token.text)
        if token.kind in (NUMBER, TEXT):
            raise self._wrong("a field comes first, and the value after it", "a field")
        raise self._wrong("a field is missing here", "a field")

    def _value(self) -> Value:
        token = self._next
        if token.kind == TEXT:
            value: int | float | Decimal | str | bool = token.value
        elif token.kind == NUMBER:
            value = number(token.value)
        elif token.is_word("true", "false"):
            value = token.is_word("true")
        elif token.is_word("inf"):
            value = float("inf")
        elif token.kind in (WORD, FIELD) and not token.is_word(*_RESERVED):
            raise self._wrong("text is written in quotes", "a value", f'"{token.text}"')
        elif token.is_word("null", "nan"):
            raise self._wrong(f"{token.text} is no value to compare with", "a value", f"is {token.text.lower()}")
        else:
            raise self._wrong("a value is missing here", 'a number, "text", true or false')
        self._take()
        return Value(value, token.at, token.text)

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take_word(self, word: str) -> bool:
        return self._next.is_word(word) and bool(self._take())

    def _take_sign(self, sign: str) -> bool:
        return self._next.is_sign(sign) and bool(self._take())

    def _wrong(self, what: str, expected: str, hint: str = "") -> UsageError:
        example = "projrun runs 'metrics.rmse < 1 and params.model = \"tree\"'"
        return mistake(self._text, self._next.at, what, expected=expected, hint=hint or f"as in: {example}")


def number(text: str) -> int | float | Decimal:
    """A number as it is written: exact, but that a decimal is the double next to it as long as there is one."""
    lower = text.lower()
    if lower.endswith("inf"):
        return float(lower)
    if not any(mark in lower for mark in ".e"):
        return int(lower)
    value = float(lower)
    if value in (float("inf"), float("-inf")):
        from decimal import Decimal, InvalidOperation

        try:
            return Decimal(lower)
        except InvalidOperation:  # an exponent of more than 18 digits
            return value
    return value
