"""What keeps a run from being reproducible by itself: flagged in develop mode, refused in strict mode."""

from __future__ import annotations

from projrun.core.values import Struct

OF_SOURCE = ("no-repository", "no-commit", "unpushed", "dirty")
# Of the flags of an environment: that packages may be built from source is nothing the project can always mend.
_OF_ENVIRONMENT = (
    *("lock-missing", "lock-out-of-step", "interpreter-range", "interpreter-nearest", "system-environment"),
    *("base-unpinned", "image-unpinned", "mount-unpinned"),
)
_OF_INPUTS = ("input-undeclared", "input-unpinned")
# What a run can be refused for, by the codes of the flags, in the order of the stages.
REASONS = (*OF_SOURCE, *_OF_ENVIRONMENT, *_OF_INPUTS)

# The program ended, and projrun was stopped before it had looked at what it wrote.
OUTPUTS_UNKNOWN = "outputs-unknown"


class Flag(Struct, frozen=True):
    """One such reason. ``code`` is stable and kebab-case; ``mend`` is what to type or change."""

    code: str
    message: str
    mend: str = ""
