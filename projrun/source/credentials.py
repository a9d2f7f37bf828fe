"""How the userinfo of an address reaches git: by the environment alone, and only for the address's own host.

Neither an argument nor a file ever holds it; git asks for it as it asks any credential helper (gitcredentials(7)).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from projrun.source.model import Address

_USERNAME, _PASSWORD = "PROJRUN_GIT_USERNAME", "PROJRUN_GIT_PASSWORD"
_HELPER = (
    f'!f() {{ test "$1" = get && printf \'username=%s\\npassword=%s\\n\' "${_USERNAME}" "${_PASSWORD}"; }}; f'
)


def attempts(address: Address) -> tuple[Mapping[str, str], ...]:
    """The variables of each attempt to sign in, in their order; one without any when the address has no userinfo.

    A user name alone is first the one that the user's own credential helpers are asked about. It may also be a
    token that needs no password, so it is tried as that after a failure.
    """
    if address.username is None:
        return ({},)
    place = urlsplit(address.url)
    scope = f"credential.{place.scheme}://{place.netloc}"
    # The empty helper forgets those named before: nothing of ours is handed to them to keep.
    alone = {_USERNAME: address.username, _PASSWORD: address.password or ""} | _settings(
        (f"{scope}.helper", ""), (f"{scope}.helper", _HELPER)
    )
    if address.password is not None:
        return (alone,)
    return _settings((f"{scope}.username", address.username)), alone


def without_secrets(said: bytes, address: Address) -> bytes:
    """Output of git or of a server, without the address's secrets and without any userinfo of an address."""
    import re
    from urllib.parse import quote

    for secret in (address.password, address.username if address.password is None else None):
        for form in {secret or "", quote(secret or "", safe="")} - {""}:
            said = said.replace(form.encode(errors="surrogateescape"), b"***")
    return re.sub(rb"(\b(?:https?|ftps?)://)[^\s/@]*(?:@[^\s/@]*)*@", rb"\1", said)


def _settings(*pairs: tuple[str, str]) -> dict[str, str]:
    """Settings for git in variables: git-config(1), "ENVIRONMENT"."""
    variables = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (name, value) in enumerate(pairs):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
