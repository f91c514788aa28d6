"""The contract of `Engine`, on every engine."""

import pytest

from promptlathe.runtime.engine import Engine
from promptlathe.runtime.lanes import Lanes
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.ray_engine import RayEngine
from promptlathe.testing.engines import EngineContract


class TestLocal(EngineContract):
    def engine(self, lanes: Lanes) -> Engine:
        return LocalEngine(lanes)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
class TestRay(EngineContract):
    def engine(self, lanes: Lanes) -> Engine:
        return RayEngine(lanes, workers=2)
