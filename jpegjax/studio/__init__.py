"""A page on this machine for one person: a picture before and after a codec, side by side, with what it costs.

bounds         Bounds, Refused     what it may cost
pictures       read_picture        files as pixels
store          Store               what is kept
codecs         described           settings as the page shows them
results        Maker               previews and exact files, targets
views          view                what the screen shows
measure        Measurer            tables, histograms, metrics
batch          Folder, Batch       a folder, all of it
web            make_app, serve     doors over HTTP, who may use them (Guard), the server
page/          the page itself; its slider is the report's

Needs the extra: pip install "jpegjax[studio]".
"""

from __future__ import annotations

from typing import Any

from .bounds import Bounds, Refused

__all__ = ["Bounds", "Refused", "make_app", "serve"]


def __getattr__(name: str) -> Any:
    if name == "make_app":
        from .web.app import make_app

        return make_app
    if name == "serve":
        from .web.server import serve

        return serve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
