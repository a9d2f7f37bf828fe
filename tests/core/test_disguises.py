"""A secret is found however programs write it."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.disguises import forms
from projrun.recipe.redaction import Redactor

SECRETS = ["s3cr3t-value", "p@ss/w:rd+ é?", 'it\'s "quoted" \\ here', "tab\tand\nline two of it"]


@pytest.mark.parametrize("secret", SECRETS)
def test_the_forms_that_are_promised(secret: str) -> None:
    data = secret.encode()
    written = [
        secret,
        secret.replace("\n", "\r\n"),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        repr(secret),
        repr(data),
        shlex.quote(secret),
        shlex.join(["echo", secret]),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        data.hex(),
        data.hex().upper(),
    ]
    redactor = Redactor([secret])
    for text in written:
        masked = redactor.text(f"<{text}>")
        assert "***" in masked
        assert len(masked) <= len("<'***'>") + len("echo b") + 2, text


@given(
    st.binary(max_size=5),
    st.text(min_size=6, max_size=40).filter(lambda text: text.strip() == text),
    st.binary(max_size=5),
)
def test_in_base64_nothing_of_it_stays_wherever_it_stands(before: bytes, secret: str, after: bytes) -> None:
    try:
        data = secret.encode()
    except UnicodeEncodeError:
        return
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + data + after).decode()
        masked = Redactor([secret]).text(text)
        # At most a digit at either end may hold a part of the first or last byte of it.
        assert len(masked.replace("***", "")) <= len(text) - (len(data) * 8 // 6 - 1)


def test_basic_authentication_as_git_and_pip_send_it() -> None:
    header = "Authorization: Basic " + base64.b64encode(b"user:hunter2-and-more").decode()
    assert base64.b64encode(b"hunter2-and-more").decode()[:10] not in header
    masked = Redactor(["hunter2-and-more"]).text(header)
    assert masked.endswith("***") or masked[-4:-1] == "***" or "***" in masked[-6:]
    assert len(masked) < len(header) - 15


def test_each_line_of_a_key_is_a_secret() -> None:
    inner = ["MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEAAoIB"]
    lines = ["-----BEGIN PRIVATE KEY-----", *inner, "-----END PRIVATE KEY-----"]
    redactor = Redactor(["\n".join(lines) + "\n"])
    for line in inner:
        assert redactor.text(f"  > {line}") == "  > ***"
    assert redactor.text(lines[0]) == lines[0]


def test_an_empty_secret_and_a_short_one_have_no_encoded_forms() -> None:
    assert forms("") == frozenset()
    assert forms("abc") == {"abc"}
