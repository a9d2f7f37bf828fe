"""No secret passes a redactor, however its bytes arrive."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from projrun.core.disguises import forms
from projrun.recipe.redaction import Redactor, redacted


def mask_by_the_book(data: bytes, secrets: list[bytes]) -> bytes:
    """Marks every byte of every occurrence, then puts one mask for each unbroken run."""
    secret_at = [False] * len(data)
    for secret in filter(None, secrets):
        for start in range(len(data) - len(secret) + 1):
            if data.startswith(secret, start):
                secret_at[start : start + len(secret)] = [True] * len(secret)
    result = b""
    for at, byte in enumerate(data):
        if not secret_at[at]:
            result += bytes([byte])
        elif at == 0 or not secret_at[at - 1]:
            result += b"***"
    return result


few_letters = st.text("abc", max_size=5)


@given(st.lists(few_letters, max_size=4), st.lists(st.text("abcx", max_size=9)))
def test_any_split_gives_what_the_whole_gives(secrets: list[str], pieces: list[str]) -> None:
    redactor = Redactor(secrets)
    passed = b"".join(redactor.feed("stdout", piece.encode()) for piece in pieces) + redactor.flush("stdout")
    whole = "".join(pieces)
    assert passed == mask_by_the_book(whole.encode(), [secret.encode() for secret in secrets])
    assert redactor.text(whole).encode() == passed


# Long enough to be looked for by what the disguises have in common, with marks that each writes its own way.
disguised = st.text("abAB12'\"%/+\\ _-", min_size=6, max_size=14)


@given(st.lists(disguised, min_size=1, max_size=3), st.data())
def test_every_disguise_is_found_whatever_is_around_it_and_however_it_is_cut(
    secrets: list[str], data: st.DataObject
) -> None:
    texts = sorted({form for secret in secrets for form in forms(secret)})
    parts = (
        st.sampled_from(texts) | st.sampled_from([text[:-1] for text in texts]) | st.text("abAB12 \n%", max_size=5)
    )
    whole = "".join(data.draw(st.lists(parts, max_size=6))).encode()
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=5))
    redactor = Redactor(secrets)
    pieces = [whole[start:end] for start, end in pairwise([0, *sorted(cuts), len(whole)])]
    passed = b"".join(redactor.feed("stdout", piece) for piece in pieces) + redactor.flush("stdout")
    assert passed == mask_by_the_book(whole, [text.encode() for text in texts])


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_without_secrets_every_byte_passes_at_once(data: bytes, cuts: list[int]) -> None:
    redactor = Redactor([""])
    places = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(places):
        assert redactor.feed("stdout", data[start:end]) == data[start:end]
    assert redactor.flush("stdout") == b""


def test_only_an_end_that_may_begin_a_secret_is_held_back() -> None:
    redactor = Redactor(["hunter2"])
    assert redactor.feed("stdout", b"Password? ") == b"Password? "
    assert redactor.feed("stdout", b"hunt") == b""
    assert redactor.feed("stdout", b"ing\r 10%") == b"hunting\r 10%"
    assert redactor.feed("stdout", b"xhunter") == b"x"
    assert redactor.flush("stdout") == b"hunter"
    assert redactor.flush("stdout") == b""


def test_streams_do_not_mix() -> None:
    redactor = Redactor(["secret"])
    assert redactor.feed("stdout", b"sec") == b""
    assert redactor.feed("stderr", b"ret") == b"ret"
    assert redactor.feed("stdout", b"ret!") == b"***!"


def test_the_longest_and_the_overlapping_are_covered() -> None:
    redactor = Redactor(["abc", "abcd", "cdef"])
    assert redactor.text("-abcd-abcdef-") == "-***-***-"


def test_a_secret_of_several_lines_is_found_as_a_terminal_prints_it() -> None:
    redactor = Redactor(["line one\nline two\n"])
    assert redactor.feed("stdout", b"<line one\r\nline two\r\n>") == b"<***>"
    assert redactor.feed("stdout", b"<line one\nline two>") == b"<***>"


def test_a_secret_is_found_as_json_escapes_it() -> None:
    secret = 'p"ss\\wörd\n1'
    redactor = Redactor([secret])
    assert redactor.text(json.dumps({"key": secret})) == '{"key": "***"}'
    assert redactor.text(json.dumps({"key": secret}, ensure_ascii=False)) == '{"key": "***"}'


def test_a_secret_of_raw_bytes_is_found() -> None:
    secret = b"\xff\xfe key".decode("utf-8", "surrogateescape")
    redactor = Redactor([secret])
    assert redactor.feed("stderr", b"<\xff\xfe key>") == b"<***>"
    assert redactor.text(f"<{secret}>") == "<***>"


def test_the_name_of_a_kept_object_stays_whatever_the_secret_is() -> None:
    output = {"path": "fee", "object": "3f79bb7b435b05321651daefd3", "sha256": "3f79bb7b435b05321651daefd3"}
    masked = redacted({"outputs": [output]}, Redactor(["e"]).text)
    assert masked == {"outputs": [{**output, "path": "f***"}]}
