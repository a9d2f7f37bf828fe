"""What looks like a secret is noticed in a stream, wherever it is cut, and other text is not."""

from __future__ import annotations

import base64
import hashlib
import random

import pytest

from projrun.recipe.likeness import Watch, likeness

# Made up, and put together here so that no scanner takes this file for a leak.
LIKE = {
    "an AWS access key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "a GitLab token": "glpat-" + "x" * 20,
    "a Slack token": "xoxb-" + "123456789012-abcdefghij",
    "an API key": "sk-" + "proj-abcdefghijklmnopqrst",
    "a Google API key": "AIza" + "b" * 35,
    "a Hugging Face token": "hf_" + "c" * 34,
    "a JSON web token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "the password of an address": "postgres://me:" + "secret@host/db",
    "a password in an address": "https://host/x?user=a&password=" + "hunter2",
}
PLAIN = [
    "INFO 12:00:01 step 34567 loss=0.123456 -------------------------------------",
    "task-1234567890-abcdefghijklmnop disk-usage-of-the-whole-machine-today",
    "https://host:8080/path@version?x=1&key=",
    "postgres://me:***@host/db http://u:${PASSWORD}@host",
    hashlib.sha256(b"x").hexdigest(),
    "123e4567-e89b-12d3-a456-426614174000",
    base64.b64encode(random.Random(1).randbytes(3000)).decode(),
]


@pytest.mark.parametrize("what", LIKE)
def test_each_kind_is_named(what: str) -> None:
    assert likeness(f"value={LIKE[what]} and more") == what


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_is_let_be(text: str) -> None:
    assert likeness(text) is None


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_it_is_found_once_and_in_its_line_however_it_is_cut(size: int) -> None:
    lines = [line for text in LIKE.values() for line in ("nothing here", f"x {text} y", *PLAIN[:3])]
    data = "\n".join(lines).encode()
    watch = Watch()
    for at in range(0, len(data), size):
        watch.look("stdout", data[at : at + size])
    expected = [2 + 5 * number for number in range(len(LIKE))][:10]
    assert sorted(line for _, _, line in watch.found()) == expected


def test_its_memory_is_bounded() -> None:
    watch = Watch()
    for _ in range(200):
        watch.look("stdout", (LIKE["a GitHub token"] + "\n").encode() * 100)
    assert len(watch.found()) == 10
