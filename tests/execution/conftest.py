"""Where requests are executed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import images
from tests.engine import Engine
from tests.execution.places import Here, Inside, Place


@pytest.fixture(scope="session")
def python_image(docker_engine: Engine) -> str:
    """An image with Python."""
    return images.python(docker_engine)


@pytest.fixture
def inside(engine: Engine, python_image: str, tmp_path: Path) -> Iterator[Inside]:
    """A container; nothing may be left of it."""
    folder = tmp_path / "seen"
    folder.mkdir()
    found = Inside(engine, python_image, folder)
    yield found
    assert found.left() == []


@pytest.fixture(params=["here", pytest.param("inside", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """This machine, and a container: what is tested holds in both."""
    if request.param == "here":
        return Here(tmp_path)
    found: Inside = request.getfixturevalue("inside")
    return found
