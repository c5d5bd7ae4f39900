"""Switches of cjpeg, djpeg and jpegtran, shortened as they may be, and of jpegoptim, as this program's flags."""

from .spelling import spelled

__all__ = ["spelled"]
