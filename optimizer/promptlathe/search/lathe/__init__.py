"""The policy `lathe`: single cells, bought where one model of all outcomes says they teach most."""

from promptlathe.search.lathe.landscape import Landscape, Point, SpaceLandscape
from promptlathe.search.lathe.policy import LathePolicy
from promptlathe.search.lathe.settings import Earlier, Settings

__all__ = ["Earlier", "Landscape", "LathePolicy", "Point", "Settings", "SpaceLandscape"]
