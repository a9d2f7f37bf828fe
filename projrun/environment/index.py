"""Where packages come from: what the user has told uv or pip reaches both, and no password of it is ever told.

Each tool's own settings go first. *Where* archives are looked for (indexes, folders of archives) is one matter:
the other tool's places count when its own names none. *How to get there* (certificate, trusted hosts, proxy) is
told one by one. What else the variables and files of a tool say could change what is installed, and stays out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from projrun.core.userinfo import USERINFO
from projrun.core.values import Struct, replace

MASK = "***"

_NAMED_PASSWORD = re.compile(r"UV_INDEX_\w+_PASSWORD")
_PROXIES = tuple(form for name in ("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY") for form in (name, name.lower()))
SHORT, _TOKEN = 4, 16  # characters; shorter ones are masked in addresses, as elsewhere they occur by chance


class Settings(Struct, frozen=True):
    """Where archives are looked for, and how to get there. Addresses may hold a user name and a password.

    ``links`` are folders of archives, or pages that link to some; ``trusted`` are hosts whose certificate is not
    checked; ``certificate`` is a file or folder of those that are trusted. Folders are ``file:`` addresses.
    ``keyring`` is how the tool asks for passwords, and is the tool's own.
    """

    index: str = ""
    extra: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    no_index: bool = False
    certificate: str = ""
    trusted: tuple[str, ...] = ()
    proxy: str = ""
    keyring: str = ""

    @property
    def names_places(self) -> bool:
        return bool(self.index or self.extra or self.links or self.no_index)

    def completed_by(self, other: Settings) -> Settings:
        """These settings; where they are silent, those of the other tool."""
        how = {name: getattr(self, name) or getattr(other, name) for name in ("certificate", "trusted", "proxy")}
        return replace(self if self.names_places else other, **how)

    def offline(self) -> Settings:
        """The same without what the network would be asked for."""
        links = tuple(link for link in self.links if link.startswith("file:"))
        return replace(self, index="", extra=(), links=links, no_index=True)

    @property
    def secrets(self) -> frozenset[str]:
        """What is masked wherever it occurs: passwords and tokens, as written, meant and written by tools."""
        from urllib.parse import quote, unquote

        proxies = (os.environ.get(name, "") for name in _PROXIES)
        texts = (self.index, *self.extra, *self.links, self.proxy, *proxies)
        found = {value for name, value in os.environ.items() if _NAMED_PASSWORD.fullmatch(name) and value}
        for match in (match for text in texts for match in USERINFO.finditer(text)):
            user, _, password = match["userinfo"].partition(":")
            for secret, least in ((user, _TOKEN), (password, SHORT)):
                forms = (secret, unquote(secret), quote(unquote(secret), safe=""))
                found |= {form for form in forms if len(form) >= least}
        return frozenset(found)


def masked(text: str, secrets: Iterable[str]) -> str:
    """``text`` without ``secrets`` and without the userinfo of any address."""
    # Addresses first: a secret that is masked in one could hide where its userinfo begins or ends.
    text = USERINFO.sub(rf"\g<scheme>://{MASK}@", text)
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def with_userinfo(address: str, user: str, password: str) -> str:
    """The address with this user and password, unless it has one."""
    from urllib.parse import quote

    scheme, separator, rest = address.partition("://")
    if not separator or USERINFO.search(address):
        return address
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def has_proxy() -> bool:
    """Whether the caller's variables name a proxy, which both tools read by themselves."""
    return any(os.environ.get(name) for name in _PROXIES)
