"""What there is to do for an environment that is an image, and with what."""

from __future__ import annotations

from pathlib import Path

from projrun.core.engine.client import Engine
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.environment import built
from projrun.environment.docker import marker
from projrun.environment.model import EnvironmentPlan, ImagePlan, Means
from projrun.spec.model import DockerSpec


class Task(Struct, frozen=True):
    """What is to be built, where, and with what. ``lock`` is what is locked for it, ``tag`` the name it gets."""

    plan: EnvironmentPlan
    image: ImagePlan
    directory: Path
    engine: Engine
    means: Means
    report: Reporter

    @property
    def spec(self) -> DockerSpec:
        return self.image.spec

    @property
    def lock(self) -> Path:
        return built.lock_of(self.directory)

    @property
    def tag(self) -> str:
        return marker.tag_of(self.means.cache, self.plan.key)
