"""A secret as it looks in the output of programs: escaped, quoted, encoded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

_LEAST = 6  # bytes of a secret whose encoded forms are looked for: those of a shorter one occur by chance
_LINE = 16  # characters from which on a line of a secret of several lines is one itself


def forms(secret: str) -> frozenset[str]:
    """All the texts that stand for a secret; none for an empty one.

    As it is and without the white space around it; as a terminal prints it (``\\r\\n``); as JSON, Python and a
    shell write it; percent-encoded, as in addresses; in base64, also as a part of something longer, such as
    ``user:password``; in hexadecimal. Of one with several lines, each long one.
    """
    found = {secret, secret.strip(), secret.replace("\r\n", "\n").replace("\n", "\r\n")}
    found |= {line.strip() for line in secret.splitlines() if _is_telling(line, secret)}
    found |= {form for text in tuple(found) for form in _escaped(text)}
    data = secret.strip().encode("utf-8", "surrogateescape")
    if len(data) >= _LEAST:
        found |= {data.hex(), data.hex().upper(), *_quoted(secret.strip()), *_in_base64(data)}
    return frozenset(found - {""})


def _is_telling(line: str, secret: str) -> bool:
    """Whether a line alone would tell of the secret; what frames a key (``-----BEGIN ...``) does not."""
    return len(line.strip()) >= _LINE and line != secret and not line.startswith("-----")


def _escaped(secret: str) -> Iterator[str]:
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]  # as a traceback shows it
    yield ascii(secret)[1:-1]
    yield repr(secret.encode("utf-8", "surrogateescape"))[2:-1]
    yield secret.replace("'", "'\"'\"'")  # as shlex.quote does
    yield secret.replace("'", "'\\''")  # as people and shells do


def _quoted(secret: str) -> Iterator[str]:
    for safe in ("", "/", "!$&'()*+,;=:", "!$&'()*+,;=:@/?"):
        text = quote(secret, safe=safe, errors="surrogateescape")
        yield text
        if "%" in text:
            yield _lowered(text)
    yield quote_plus(secret, errors="surrogateescape")


def _lowered(quoted: str) -> str:
    """The same with its escapes in lower case, as some write them."""
    first, *rest = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _in_base64(data: bytes) -> Iterable[str]:
    """What is sure to be in the base64 of any text with ``data`` in it, at each of its three places."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode()
        # A digit stands for six bits: the first and the last may hold some of what is around.
        text = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield text
        yield text.replace("+", "-").replace("/", "_")
