"""`jpegjax studio`: a page on this machine to look at a picture before and after a codec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..paths import shown

__all__ = ["studio"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def studio(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder whose pictures the page lists, to try and to encode all.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8750,
    host: Annotated[
        str, typer.Option(help="Address to listen at. Any but loopback lets other machines in that have the token.")
    ] = "127.0.0.1",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    limit_pixels: Annotated[int, typer.Option(min=1, help="Of one picture.")] = 100_000_000,
    limit_memory: Annotated[int, typer.Option(min=64, help="MB of all pictures and results that are kept.")] = 2048,
) -> None:
    """A page for one person: drop a picture, choose a codec, see before and after, zoom to pixels, download the file.

    The address holds a token; whoever has it may use the page while this runs. Ctrl+C ends it.
    """
    try:
        from ...studio import Bounds, serve
    except ImportError as error:
        typer.echo(f'jpegjax: the studio needs {error.name}: pip install "jpegjax[studio]"', err=True)
        raise typer.Exit(2) from None

    def ready(address: str) -> None:
        typer.echo(f"jpegjax studio: {address}")
        if host not in _LOOPBACK:
            typer.echo(
                f"jpegjax: {shown(host)} is not loopback: other machines can reach it; the token is its only lock",
                err=True,
            )
        if open_page:
            import webbrowser

            webbrowser.open(address)

    try:
        bounds = Bounds(pixels=limit_pixels, memory_nbytes=limit_memory << 20)
        serve(folder, host=host, port=port, bounds=bounds, ready=ready)
    except OSError as error:
        where = shown(error.filename or f"{host}, port {port}")
        typer.echo(f"jpegjax: {where}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
