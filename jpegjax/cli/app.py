"""The verbs, each a file in `verbs`."""

from __future__ import annotations

import typer

from .flags import Version
from .verbs.bulk import bulk
from .verbs.codecs import codecs
from .verbs.compare import compare
from .verbs.decode import decode
from .verbs.demo import demo
from .verbs.encode import encode
from .verbs.info import info
from .verbs.studio import studio
from .verbs.train import train
from .verbs.transcode import transcode
from .verbs.warmup import warmup

__all__ = ["app"]

app: typer.Typer = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=False)
def _root(version: Version = False) -> None:
    """JPEG files, byte-identical to libjpeg-turbo's: encode, decode, transcode, look inside.

    Exit codes: 0, all well; 1, a file failed; 2, a damaged file was saved as far as it can be read, or wrong usage.
    """


for verb in (encode, decode, transcode, info, demo, codecs, compare, studio, train, warmup):
    app.command()(verb)
app.add_typer(bulk, name="bulk")
