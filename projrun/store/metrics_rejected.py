"""``metrics.rejected``: the lines that are no metrics, with their numbers and why, as far as there is room."""

from __future__ import annotations

import json

from projrun.core.metrics.lines import Overlong

FILE = "metrics.rejected"
MAX_LINES = 1000
MAX_TEXT = 500  # characters of a line


class Rejected:
    """Counts them, and keeps the first thousand."""

    def __init__(self) -> None:
        self.count = 0
        self.counts: dict[str, int] = {}
        self.first: dict[str, tuple[int, str]] = {}
        self._kept: list[str] = []

    def add(self, file: str, line: int, reason: str, text: str) -> None:
        """Notes a line of a file."""
        self.count += 1
        self.counts[file] = self.counts.get(file, 0) + 1
        self.first.setdefault(file, (line, reason))
        if len(self._kept) < MAX_LINES:
            size = text.size if isinstance(text, Overlong) else len(text)
            shown = str(text[:MAX_TEXT])
            self._kept.append(
                json.dumps(
                    {"file": file, "line": line, "reason": reason, "text": shown, "cut": size > len(shown)},
                )
            )

    def document(self) -> bytes:
        """The file: one JSON object a line, the last one telling how many more there are."""
        lines = list(self._kept)
        if self.count > len(lines):
            lines.append(json.dumps({"more": self.count - len(lines)}))
        return "".join(f"{line}\n" for line in lines).encode()
