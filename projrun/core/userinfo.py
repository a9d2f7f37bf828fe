"""User names and passwords in addresses, which nothing may keep or show."""

from __future__ import annotations

import re
from collections.abc import Iterator

from projrun.core.regex import regex

_HOST = r"(?:localhost|\[[0-9A-Fa-f:.]+\]|[\w-]+(?:\.[\w-]+)+)(?::\d{1,5})?(?![\w.@:-])"
# A password may hold an @ of its own, and a / that ends no host: told from a path by the : that no port follows.
USERINFO = regex(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30})://"
    rf"(?P<userinfo>[^\s/]{{0,400}}(?=@{_HOST})"
    r"|[^\s/:@\[]{0,200}:(?!\d{1,5}(?:/|\s|$))[^\s\"'<>]{0,400}(?=@)"
    r"|[^\s/]{0,400})@"
)


def without_userinfo(text: str) -> str:
    """``text`` with the user names and passwords of its addresses taken out; ``ssh://git@`` holds no secret."""

    def clean(match: re.Match[str]) -> str:
        harmless = "ssh" in match["scheme"] and ":" not in match["userinfo"]
        return match[0] if harmless else f"{match['scheme']}://"

    return USERINFO.sub(clean, text)


def passwords_in(text: str) -> Iterator[str]:
    """The passwords of the addresses in a text: as they stand there, and as they are meant (``%40``)."""
    from urllib.parse import unquote  # few texts have one

    for match in USERINFO.finditer(text):
        password = match["userinfo"].partition(":")[2]
        yield from dict.fromkeys(one for one in (password, unquote(password)) if one)
