"""What the user's variables and files tell uv and pip of where packages come from.

uv: https://docs.astral.sh/uv/reference/settings/; pip: https://pip.pypa.io/en/stable/topics/configuration/
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.environment import settings_files
from projrun.environment.index import SHORT, Settings, with_userinfo
from projrun.environment.text import parse_toml

_NAMED = re.compile(r"([\w.-]+)=(.+)")  # NAME=ADDRESS, as uv takes an index
_TRUE = ("1", "true", "yes", "on", "y", "t")
_PIP_PLACES = ("index-url", "extra-index-url", "find-links", "no-index", "cert", "trusted-host", "proxy")
_PIP_NETWORK = (
    *("client-cert", "timeout", "default-timeout", "retries", "resume-retries", "keyring-provider"),
    *("cache-dir", "no-cache-dir"),
)


def of_uv() -> Settings:
    """What the user's variables and files tell uv. Raises EnvironmentFailure for a file that is not TOML."""
    told = _uv_files()
    environ = os.environ
    index = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL", "")
    extra = _words(environ.get("UV_INDEX")) or _words(environ.get("UV_EXTRA_INDEX_URL"))
    links = [link for link in environ.get("UV_FIND_LINKS", "").split(",") if link.strip()]
    return Settings(
        index=_uv_index(index) or told.index,
        extra=tuple(map(_uv_index, extra)) or told.extra,
        links=tuple(map(_place, links)) or told.links,
        no_index=told.no_index or environ.get("UV_NO_INDEX", "").lower() in _TRUE,
        keyring=environ.get("UV_KEYRING_PROVIDER") or told.keyring,
        certificate=_file(environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR", "")),
        trusted=tuple(_words(environ.get("UV_INSECURE_HOST"))) or told.trusted,
        proxy=told.proxy,
    )


def of_pip() -> Settings:
    """What the user's variables and files tell pip. Raises EnvironmentFailure for a file that pip cannot read."""
    told = {**_pip_files(), **_pip_variables()}
    environ = os.environ
    certificate = told.get("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE", "")
    return Settings(
        index=_place(told.get("index-url", "")),
        extra=tuple(map(_place, _words(told.get("extra-index-url")))),
        links=tuple(map(_place, _words(told.get("find-links")))),
        no_index=told.get("no-index", "").lower() in _TRUE,
        certificate=_file(certificate),
        trusted=tuple(_words(told.get("trusted-host"))),
        proxy=told.get("proxy", ""),
        keyring=told.get("keyring-provider", ""),
    )


def secrets() -> frozenset[str]:
    """What nothing that a tool writes may show, of all that uv and pip are told. Raises EnvironmentFailure."""
    of_hosts = (one for one in settings_files.of_netrc() if len(one) >= SHORT)
    return of_uv().secrets | of_pip().secrets | frozenset(of_hosts)


def pip_network() -> dict[str, str]:
    """pip's other settings of how to fetch and where to keep it, as its variables."""
    told = {**_pip_files(), **_pip_variables()}
    return {f"PIP_{name.upper().replace('-', '_')}": told[name] for name in _PIP_NETWORK if name in told}


def _pip_variables() -> dict[str, str]:
    names = {f"PIP_{name.upper().replace('-', '_')}": name for name in (*_PIP_PLACES, *_PIP_NETWORK)}
    return {name: os.environ[variable] for variable, name in names.items() if os.environ.get(variable)}


def _pip_files() -> dict[str, str]:
    """The options for ``pip install`` of all configuration files, the user's over the machine's."""
    import configparser

    found: dict[str, str] = {}
    for file in settings_files.of_pip():
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(settings_files.text_of(file))
        except configparser.Error as error:
            raise _unreadable(file, "pip", error) from error
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {key.lstrip("-").replace("_", "-"): value for key, value in parser.items(section)}
    return found


def _uv_files() -> Settings:
    """uv's configuration of the user, else of the machine; those of the project are not ours to read."""
    merged: dict[str, Any] = {}
    for file in settings_files.of_uv():
        try:
            document = parse_toml(settings_files.text_of(file))
        except ValueError as error:
            raise _unreadable(file, "uv", error) from error
        for table in (document, document.get("pip") or {}):
            merged |= {name: value for name, value in table.items() if value}
    tables = [
        entry for entry in _list(merged.get("index")) if isinstance(entry, dict) and not entry.get("explicit")
    ]
    flat = [_named(entry) for entry in tables if entry.get("format") == "flat"]
    simple = [entry for entry in tables if entry.get("format") != "flat"]
    default = [_named(entry) for entry in simple if entry.get("default")]
    extra = [_named(entry) for entry in simple if not entry.get("default")]
    return Settings(
        index=next(iter(default), _place(str(merged.get("index-url", "")))),
        extra=(*extra, *map(_place, map(str, _list(merged.get("extra-index-url"))))),
        links=(*flat, *map(_place, map(str, _list(merged.get("find-links"))))),
        no_index=bool(merged.get("no-index")),
        trusted=tuple(map(str, _list(merged.get("allow-insecure-host")))),
        keyring=str(merged.get("keyring-provider", "")),
        proxy=str(merged.get("https-proxy") or merged.get("http-proxy") or ""),
    )


def _named(entry: Mapping[str, Any]) -> str:
    return _with_credentials(_place(str(entry.get("url", ""))), str(entry.get("name", "")))


def _uv_index(text: str) -> str:
    """The address of an index that may have a name, whose credentials may be in variables of that name."""
    match = _NAMED.fullmatch(text)
    if match and "://" not in match[1]:
        return _with_credentials(_place(match[2]), match[1])
    return _place(text)


def _with_credentials(address: str, name: str) -> str:
    stem = f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_"
    user, password = os.environ.get(f"{stem}USERNAME", ""), os.environ.get(f"{stem}PASSWORD", "")
    return with_userinfo(address, user, password) if name and (user or password) else address


def _place(text: str) -> str:
    """An address as it is, a folder as an address: the tools work elsewhere, and split lists at spaces."""
    text = text.strip()
    if not text or "://" in text:
        return text
    return Path(text.removeprefix("file:")).expanduser().absolute().as_uri().replace(",", "%2C")


def _file(text: str) -> str:
    return os.fspath(Path(text).expanduser().absolute()) if text else ""


def _words(text: str | None) -> Sequence[str]:
    return (text or "").split()


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _unreadable(file: Path, tool: str, error: Exception) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"{file} is not a configuration that {tool} can read",
        why=" ".join(str(error).split()),
        hint=f"mend {file}: it may say where packages come from",
    )
