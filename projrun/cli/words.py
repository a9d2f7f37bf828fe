"""What typed words mean, whoever has read them."""

from __future__ import annotations

from collections.abc import Sequence

from projrun.core.errors import UsageError


def refuse_downloads_offline(*, offline: bool, allow_download: bool) -> None:
    """Raises UsageError when both are asked for."""
    if offline and allow_download:
        raise UsageError("--allow-download does not go with --offline", hint="leave one of them out")


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """``K=V`` texts as a mapping; of ``K`` alone to nothing. Raises UsageError for no key, or two values."""
    found: dict[str, str] = {}
    for text in texts:
        key, _, value = clean(text, option).partition("=")
        if not key.strip():
            raise UsageError(f"{option} {text}: a tag has a key", hint=f"{option} paper=draft, or {option} draft")
        if found.get(key, value) != value:
            raise UsageError(
                f"{option} {key} is given twice",
                why=f"once as {found[key]!r}, once as {value!r}",
                hint=f"keep one {option} {key}=...",
            )
        found[key] = value
    return found


def clean(text: str, option: str) -> str:
    """``text`` itself. Raises UsageError when it is not valid Unicode, which no record could keep."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{option}: the text is not valid UTF-8",
            why=f"byte {error.start + 1} on",
            hint="type it in a terminal whose locale is UTF-8",
        ) from None
    return text
