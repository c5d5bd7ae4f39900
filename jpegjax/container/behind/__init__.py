"""Pictures, gain maps, videos and trailers behind the first picture: MPF, GContainer, hdrgm, ISO 21496-1."""

from __future__ import annotations

from .assemble import with_gain_map
from .chosen import chosen
from .find import Behind, Picture, Trailer, find_behind
from .mend import joined, stripped

__all__ = ["Behind", "Picture", "Trailer", "chosen", "find_behind", "joined", "stripped", "with_gain_map"]
