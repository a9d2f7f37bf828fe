"""The test set-up's own engine, images and registry do what the tests rely on."""

from __future__ import annotations

import pytest

from tests.engine import Engine

pytestmark = pytest.mark.slow


def test_it(engine: Engine) -> None:
    print(engine, engine.api.version()["Version"], engine.api.info()["Driver"])
