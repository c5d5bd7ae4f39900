"""Encoders that stand side by side: Pillow's default, mozjpeg's cjpeg, jpegli's cjpegli, and our tunes.

The peers' tools are found by the environment or on the PATH:

    JPEGJAX_MOZJPEG   cjpeg of github.com/mozilla/mozjpeg: cmake -DBUILD_SHARED_LIBS=OFF -DPNG_SUPPORTED=0, make cjpeg-static
    JPEGJAX_CJPEGLI   cjpegli of github.com/google/jpegli: ./deps.sh, cmake -DBUILD_TESTING=OFF, make cjpegli
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["PEERS", "Encoder", "line_up", "tool", "tunes", "version"]

PEERS = ("mozjpeg", "jpegli")
_VARIABLES = {"mozjpeg": "JPEGJAX_MOZJPEG", "jpegli": "JPEGJAX_CJPEGLI"}
_NAMES = {"mozjpeg": ("cjpeg-static", "cjpeg"), "jpegli": ("cjpegli",)}
_FACTORS = {"4:2:0": "2x2", "4:2:2": "2x1", "4:4:4": "1x1"}


@cache
def tool(peer: str) -> Path:
    """A peer's programme. FileNotFoundError: neither its variable nor the PATH leads to one; says how to get it."""
    named = os.environ.get(_VARIABLES[peer])
    for candidate in [named] if named else [shutil.which(name) for name in _NAMES[peer]]:
        if candidate and Path(candidate).is_file() and (peer != "mozjpeg" or "mozjpeg" in _said(candidate, "-version")):
            return Path(candidate)
    raise FileNotFoundError(f"no {peer}: {_VARIABLES[peer]} is {named!r}, and the PATH leads to none.\n{__doc__}")


def _said(programme: str | Path, *words: str) -> str:
    done = subprocess.run([programme, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def version(peer: str) -> str:
    """What a peer's programme is: what it says, if it does, and twelve digits of its SHA-256."""
    said = _said(tool(peer), "-version").strip().splitlines()[:1] if peer == "mozjpeg" else []
    return ", ".join([*said, f"SHA-256 {hashlib.sha256(tool(peer).read_bytes()).hexdigest()[:12]}"])


def tunes() -> dict[str, Any]:
    """Our tunes by the name that tables give them, `True` first."""
    from jpegjax.options.choices import TUNES

    return {f"tune={name!r}": name for name in sorted((t for t in TUNES if t), key=lambda t: (t is not True, str(t)))}


@dataclass(frozen=True)
class Encoder:
    """One column of a table. kind: "pillow", one of PEERS, or "tune"; sampling: "4:2:0", "4:2:2", "4:4:4", or None, the default
    (4:2:0 of the others; ours as encode has it). Pillow's stays its default."""

    label: str
    kind: str
    sampling: str | None = None
    tune: Any = None

    def encode(self, picture: np.ndarray, quality: int) -> bytes:
        """The file of a picture, uint8 [H, W, 3]."""
        if self.kind == "tune":
            import jpegjax

            options = {"subsampling": self.sampling} if self.sampling else {}
            return jpegjax.encode(picture, quality=quality, tune=self.tune, **options)
        if self.kind == "pillow":
            from PIL import Image

            out = io.BytesIO()
            Image.fromarray(picture).save(out, "JPEG", quality=quality)
            return out.getvalue()
        sampling = self.sampling or "4:2:0"
        with tempfile.TemporaryDirectory() as folder:
            pnm, jpeg = Path(folder) / "picture.ppm", Path(folder) / "picture.jpg"
            pnm.write_bytes(b"P6 %d %d 255\n" % (picture.shape[1], picture.shape[0]) + picture.tobytes())
            if self.kind == "mozjpeg":
                words = ["-quality", str(quality), "-sample", _FACTORS[sampling], "-outfile", jpeg, pnm]
            else:
                words = [pnm, jpeg, "-q", str(quality), f"--chroma_subsampling={sampling.replace(':', '')}", "--quiet"]
            subprocess.run([tool(self.kind), *words], check=True, capture_output=True)
            return jpeg.read_bytes()


def line_up(sampling: str | None, chosen: dict[str, Any]) -> list[Encoder]:
    """Pillow's default, the peers, and the chosen tunes."""
    shown = f" {sampling}" if sampling else ""
    others = [Encoder(f"{peer} {sampling or '4:2:0'}", peer, sampling) for peer in PEERS]
    return [Encoder("Pillow", "pillow"), *others, *(Encoder(n + shown, "tune", sampling, t) for n, t in chosen.items())]
