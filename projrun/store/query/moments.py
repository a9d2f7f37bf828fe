"""Times and durations as people write them in a query."""

from __future__ import annotations

import datetime as dt
import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NAMES = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}
_PART = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*([a-zA-Z]+)")
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_CLOCK = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]+([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r"\s*(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_INSTANT = dt.timedelta(microseconds=1)


def seconds(text: str) -> float | None:
    """``2h``, ``90 s``, ``1h30m``, ``2 days`` in seconds; None for anything else."""
    total, at = 0.0, 0
    text = text.strip()
    while at < len(text):
        match = _PART.match(text, at)
        if not match:
            return None
        word = match[2].lower()
        unit = _NAMES.get(word.removesuffix("s") or word, word)
        if unit not in _UNITS:
            return None
        total += float(match[1]) * _UNITS[unit]
        at = match.end()
    return total if text else None


def interval(text: str, now: dt.datetime) -> tuple[str, str] | None:
    """The stretch of time that a text names, as its begin and its end in the form of records; None for none.

    ``2026-11-01`` is that day of the local zone, ``2026-11`` a month, ``2026-11-01 14:05`` a minute, ``today`` and
    ``yesterday`` are days, ``7 days ago`` is a moment. What is before the year 1 is its begin.
    """
    words = text.strip().lower()
    try:
        found = _day(words, now) or _clock(text.strip(), now) or _relative(words, now)
    except (ValueError, OverflowError):  # February 30th, or a zone that there is not
        return None
    return (_recorded(found[0]), _recorded(found[1])) if found else None


def _day(words: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    back = {"today": 0, "yesterday": 1}.get(words)
    if back is not None:
        day = now.date() - dt.timedelta(days=back)
        return _midnight(day), _midnight(day + dt.timedelta(days=1))
    match = _DAY.fullmatch(words)
    if not match:
        return None
    year, month, of_month = (int(part) if part else None for part in match.groups())
    assert year is not None
    first = dt.date(year, month or 1, of_month or 1)
    if of_month:
        after = first + dt.timedelta(days=1)
    elif month:
        after = dt.date(year + month // 12, month % 12 + 1, 1)
    else:
        after = dt.date(year + 1, 1, 1)
    return _midnight(first), _midnight(after)


def _midnight(day: dt.date) -> dt.datetime:
    """When a day begins here."""
    return dt.datetime(day.year, day.month, day.day).astimezone()


def _clock(text: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    match = _CLOCK.fullmatch(text)
    if not match:
        return None
    day, hour, minute, second, fraction, zone = match.groups()
    moment = dt.datetime.strptime(
        f"{day} {hour}:{minute}:{second or '00'}.{(fraction or '0').ljust(6, '0')}", "%Y-%m-%d %H:%M:%S.%f"
    )
    begin = moment.replace(tzinfo=_zone(zone)) if zone else moment.astimezone()
    if fraction:
        length = dt.timedelta(microseconds=10 ** (6 - len(fraction)))
    else:
        length = dt.timedelta(seconds=1) if second else dt.timedelta(minutes=1)
    return begin, begin + length


def _zone(text: str) -> dt.timezone:
    if text == "Z":
        return dt.timezone.utc
    digits = text[1:].replace(":", "")
    offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-offset if text[0] == "-" else offset)


def _relative(words: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    if words == "now":
        return now, now + _INSTANT
    past = words.removesuffix("ago")
    back = seconds(past) if past != words else None
    if back is None:
        return None
    try:
        moment = now - dt.timedelta(seconds=back)
    except OverflowError:
        moment = dt.datetime.min.replace(tzinfo=dt.timezone.utc)
    return moment, moment + _INSTANT


def _recorded(moment: dt.datetime) -> str:
    """As records have it: UTC with microseconds; years have four digits, so that it sorts as text."""
    moment = moment.astimezone(dt.timezone.utc)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
