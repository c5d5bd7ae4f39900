"""`jpegjax warmup`: every kernel compiled ahead, for a container image or a machine that must answer at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import typer

__all__ = ["warmup"]


def warmup() -> None:
    """Compile the CPU kernels of JPEG now, so that no later call waits; for container images, say RUN jpegjax warmup.

    The code lies in NUMBA_CACHE_DIR, else beside the package, else in the user's cache folder; whoever may read it there needs
    no compiler's time. What is there already is only read. It is for the kind of CPU that this runs on: another kind
    compiles its own. JAX's programs (--engine xla, --codec) depend on sizes and are not among it.
    """
    from ...run.compilation import record
    from ..waiting import unkept

    before, start = record.compiled, time.process_time()
    print("jpegjax: compiling kernels; some minutes where none are there yet…", file=sys.stderr, flush=True)
    for name, call in _calls():
        compiled, since = record.compiled, time.process_time()
        call()
        print(f"{name}: {record.compiled - compiled} kernels, {time.process_time() - since:.1f} s of CPU", flush=True)
    if record.refusal is not None:
        print(f"jpegjax: {unkept(record.refusal)}", file=sys.stderr)
        raise typer.Exit(1)
    seconds = time.process_time() - start
    print(
        f"{record.compiled - before} kernels compiled, {record.loaded} found, {seconds:.1f} s of CPU; {record.folder}"
    )


def _calls() -> Iterator[tuple[str, Callable[[], Any]]]:
    """What between them uses every kernel and every type of its arguments."""
    import numpy as np

    from ... import api
    from ...jpeg import codec
    from ...options import Limits
    from .. import pictures

    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (70, 90, 3), np.uint8)
    gray, cmyk = rgb[..., 0], np.dstack([rgb, rgb[..., :1]])
    free: Any = {"engine": "host", "limits": Limits(None, None, None, None, None)}
    made: list[bytes] = []

    def encode(image: Any, **options: Any) -> None:
        made.append(api.encode(image, engine="host", **options))

    def encodes(**options: Any) -> Callable[[], None]:
        def run() -> None:
            for image in (rgb, gray):
                encode(image, **options)

        return run

    def samplings() -> None:
        for sampling in ("4:4:4", "4:2:2", "4:4:0", "4:1:1"):
            encode(rgb, subsampling=sampling)
        encode(cmyk, mode="CMYK")
        encode(rgb, restart_rows=1)

    def twelve() -> None:
        deep = rgb.astype(np.uint16) * 16
        for image in (deep, deep[..., 0]):
            encode(image, precision=12)
            encode(image, precision=12, progressive=True)
        for scale in (1 / 2, 2):
            api.decode(made[-1], scale=scale, **free)

    def lossless() -> None:
        for image in (rgb, gray, rgb.astype(np.uint16) * 257, gray.astype(np.uint16) * 257):
            encode(image, lossless=True)
            api.decode(made[-1], mode="L", **free)
        api.decode(api.encode(gray, lossless=True), mode="RGB", **free)

    def crops() -> None:
        restarts = api.encode(np.tile(rgb, (3, 2, 1)), restart_rows=1, engine="host")
        api.decode(restarts, crop=(8, 150, 40, 40), **free)

    def tuned() -> None:
        large = np.tile(rgb, (3, 3, 1))  # small ones are tuned without the field
        for image in (rgb, large, large[..., 0]):
            api.encode(image, tune=True, engine="host")

    def decodes(**options: Any) -> Callable[[], None]:
        def run() -> None:
            for data in made:
                api.decode(data, **free, **options)

        return run

    def scaled() -> None:
        for data in made[:2]:
            for scale in (1 / 8, 1 / 2, 5 / 8, 2):
                api.decode(data, scale=scale, **free)

    def transcodes() -> None:
        for data in made:
            if not api.info(data).process.lossless:
                api.transcode(data)
        ways: list[Any] = [{"rotate": 90}, {"rotate": 180}, {"flip": "vertical"}, {"rotate": 90, "flip": "horizontal"}]
        for options in [*ways, {"arithmetic": True}, {"progressive": True}, {"crop": (8, 8, 40, 40)}]:
            api.transcode(made[0], **options)

    def png() -> None:
        deep = pictures.save(rgb.astype(np.uint16) * 257, "png", bits=16, notes=[])
        pictures.load(deep, precision=None, lossless=True)

    yield "encode", encodes()
    yield "encode, all samplings", samplings
    yield "encode --optimize", encodes(optimize=True)
    yield "encode --progressive", encodes(progressive=True)
    yield "decode", decodes()
    yield "decode --scale", scaled
    yield "transcode", transcodes
    yield "decode --crop", crops
    yield "encode --smooth", encodes(smoothing=10)
    yield "encode --arithmetic", encodes(arithmetic=True)
    yield "encode --arithmetic --progressive", encodes(arithmetic=True, progressive=True)
    yield "encode --precision 12", twelve
    yield "encode --lossless", lossless
    yield "encode of deep PNG", png
    yield "decode of these", decodes()
    yield "decode --upsample nearest", decodes(upsample="nearest")
    yield "decode --reconstruction laplacian", decodes(reconstruction="laplacian")
    yield "decode --dtype uint16", decodes(dtype="uint16")
    yield "decode --dtype float32", decodes(dtype="float32")
    yield "encode --tune all", tuned
    yield "coefficients", lambda: codec.read(made[:8], api.decoding.DecodeOptions())
