"""Combined cubes: views on other cubes that read what is asked for when it is asked for, and copy nothing.

Statistics stay those of the values that come out: they are taken over from the parts where they are the same numbers,
and made in a pass where the cells or the distances of instants are others.
"""

from py4cast.cubes.views.cells import CutoutCube, RegridCube, WindowCube
from py4cast.cubes.views.instants import ConcatCube, MembersCube, TimesCube
from py4cast.cubes.views.places import PlacesCube, placed
from py4cast.cubes.views.stretched import StretchedCube
from py4cast.cubes.views.variables import JoinCube, RenamedCube

__all__ = [
    "ConcatCube", "CutoutCube", "JoinCube", "MembersCube", "PlacesCube", "RegridCube", "RenamedCube", "StretchedCube", "TimesCube", "WindowCube", "placed",
]  # fmt: skip
