"""User names and passwords in addresses, which nothing may keep or show."""

from __future__ import annotations

import re

# A password may hold an @ of its own.
USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<userinfo>[^\s/]*)@")


def without_userinfo(text: str) -> str:
    """``text`` with the user names and passwords of its addresses taken out; ``ssh://git@`` holds no secret."""

    def clean(match: re.Match[str]) -> str:
        harmless = "ssh" in match["scheme"] and ":" not in match["userinfo"]
        return match[0] if harmless else f"{match['scheme']}://"

    return USERINFO.sub(clean, text)
