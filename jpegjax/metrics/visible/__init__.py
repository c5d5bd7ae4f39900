"""Butteraugli: what of a difference can be noticed.

bands       what it sees of a picture: bands of detail, and where they mask errors
distances   butteraugli, butteraugli_reference: how far apart two pictures' bands are
"""

from .distances import ButteraugliReference, butteraugli, butteraugli_reference

__all__ = ["ButteraugliReference", "butteraugli", "butteraugli_reference"]
