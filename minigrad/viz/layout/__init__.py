"""Where to draw what: the layout of a picture in layers, by no program but this one.

`place(picture)` gives each vertex, group, arrow and label its coordinates. It goes step by step, each in a file of its
own and by a method that the literature knows: `nest` (groups within groups), `layers` (rows), `bends` (room for what
passes them), `order` (few crossings), `align` (straight lines), `route` (curves), and `place`, which puts the steps
together.
"""

from .place import Box, Placed, place
from .route import Path

__all__ = ["Box", "Path", "Placed", "place"]
