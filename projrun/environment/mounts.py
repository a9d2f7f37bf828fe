"""The directories and files of this machine that a container is declared to see."""

from __future__ import annotations

import os
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.environment.model import Mount
from projrun.spec.model import DockerSpec


def declared(docker: DockerSpec, project: Path) -> tuple[Mount, ...]:
    """The mounts of ``docker`` in ``project``, links resolved. Raises EnvironmentFailure for what is not there."""
    mounts = []
    for one in docker.mounts:
        source = os.path.realpath(project / os.path.expanduser(one.source))  # noqa: PTH111 - of nobody's home it says nothing
        if not os.path.exists(source):  # noqa: PTH110 - text
            raise EnvironmentFailure(
                f"docker.mounts: there is no {one.source}",
                why=f"It is to be seen at {one.target} in the container.",
                hint=f"make it, or take it out of docker.mounts in ProjectSpec.yaml: {source}",
            )
        mounts.append(Mount(source, one.target, one.writable))
    return tuple(mounts)
