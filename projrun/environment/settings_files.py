"""Where uv and pip look for their settings, and the passwords that stand there: known to every run, so light.

uv: https://docs.astral.sh/uv/concepts/configuration-files/; pip: https://pip.pypa.io/en/stable/topics/configuration/;
netrc: https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from projrun.core.files import read_regular

LARGEST = 1_000_000  # bytes of a configuration file
_PASSWORD = re.compile(r"""\bpassword\s+(?:"((?:[^"\\]|\\.)*)"|(\S+))""")


def of_pip() -> Iterator[Path]:
    """Those of pip, the user's over the machine's; whether they are there or not."""
    told = os.environ.get("PIP_CONFIG_FILE", "")
    if told == os.devnull:  # pip's own way to say: none at all
        return
    for folder in reversed(os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    if sys.platform == "darwin":
        yield Path("/Library/Application Support/pip/pip.conf")
        yield Path("~/Library/Application Support/pip/pip.conf").expanduser()
    yield Path("~/.pip/pip.conf").expanduser()
    yield _of_user() / "pip" / "pip.conf"
    if told:
        yield Path(told)


def of_uv() -> Iterator[Path]:
    """Those of uv: the machine's if it is there, and the user's."""
    if os.environ.get("UV_CONFIG_FILE"):
        yield Path(os.environ["UV_CONFIG_FILE"])
        return
    folders = [Path(folder) for folder in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)]
    machine = [*(folder / "uv" / "uv.toml" for folder in folders), Path("/etc/uv/uv.toml")]
    yield from [file for file in machine if file.is_file()][:1]
    yield _of_user() / "uv" / "uv.toml"


def text_of(file: Path) -> str:
    """What is in one; nothing where none can be read."""
    if not os.path.exists(file):  # noqa: PTH110 - every run asks, and pathlib takes its time
        return ""
    try:
        return read_regular(file, LARGEST).decode(errors="surrogateescape")
    except (OSError, RuntimeError):  # RuntimeError: of pathlib, for a home that nobody has
        return ""


def with_addresses() -> Iterator[tuple[Path, str]]:
    """The files of uv and pip that hold an address with a user in it, each with its text."""
    for file in (*of_uv(), *of_pip()):
        text = text_of(file)
        if "://" in text and "@" in text:
            yield file, text


def of_netrc() -> Iterator[str]:
    """The passwords for hosts, for both tools, and for others."""
    text = text_of(Path(os.environ.get("NETRC") or os.path.expanduser("~/.netrc")))  # noqa: PTH111 - of nobody's home it says nothing
    for quoted, plain in _PASSWORD.findall(text):
        yield re.sub(r"\\(.)", r"\1", quoted) or plain


def _of_user() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
