"""Flags that verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..options import DecodeOptions, EncodeOptions, about

__all__ = [
    "Arithmetic", "Codec", "Depth", "Device", "Engine", "Inputs", "Jobs", "LimitMemory", "LimitPixels", "MaxScans", "Model",
    "Optimize", "Output", "Overwrite", "Quiet", "Recursive", "Region", "Restart", "Scale", "Scans", "Strict", "TargetBytes",
    "TargetMetric", "Tune", "Upright", "Version", "said",
]  # fmt: skip


def said(option: str, more: str = "", kind: type = EncodeOptions) -> str:
    """The help of a flag: its option's sentence, and what is special about the flag."""
    return f"{about(kind, option)} {more}".rstrip()


def _version(asked: bool) -> None:
    if asked:
        print(f"jpegjax {__version__}")
        raise typer.Exit


Inputs = Annotated[
    list[str] | None,
    typer.Argument(help="Files, folders, globs in quotes, or - for stdin. [default: stdin]", show_default=False),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        "--outfile",
        help="File, folder, or - for stdout. [default: beside each input; stdout for one, redirected]",
    ),
]
Recursive = Annotated[bool, typer.Option("-r", "--recursive", help="Look into folders inside folders.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No table and no progress bar.")]
Engine = Annotated[str, typer.Option(help="host (CPU kernels), xla (any JAX device) or auto.")]
Device = Annotated[str | None, typer.Option(help="JAX device for xla: cpu, gpu, tpu, gpu:1…")]
LimitPixels = Annotated[
    str | None, typer.Option(help="Refuse pictures of more pixels, such as 1.5M; 0 for no limit. [default: 268435456]")
]
LimitMemory = Annotated[
    str | None,
    typer.Option(help="Refuse files that need more MiB, or bytes as 500M, 1.5G; 0 for no limit. [default: 2048]"),
]
MaxScans = Annotated[int | None, typer.Option(min=1, help="Refuse files of more scans. [default: 500]")]
Jobs = Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Use at most so many cores. [default: all]")]
Upright = Annotated[bool, typer.Option("--exif-transpose", help=said("apply_exif_orientation", kind=DecodeOptions))]
Scale = Annotated[str, typer.Option(help=said("scale", kind=DecodeOptions))]
Region = Annotated[str | None, typer.Option(help=said("crop", "Written WxH+X+Y.", DecodeOptions))]
Depth = Annotated[
    int | None, typer.Option(min=8, max=8, help="8: make 8 bits a sample of deeper pictures, which is said.")
]
Strict = Annotated[bool, typer.Option("--strict", help=said("strict", kind=DecodeOptions))]
Optimize = Annotated[bool, typer.Option("--optimize", help=said("optimize"))]
Arithmetic = Annotated[bool, typer.Option("--arithmetic", help=said("arithmetic"))]
Tune = Annotated[
    str | None,
    typer.Option(help=said("tune", "psnr, ms-ssim, ssimulacra2, butteraugli or all.")),
]
TargetBytes = Annotated[
    str | None, typer.Option(help=said("target_bytes", "Also as 50k (50,000), 1.5M, 64Ki (65,536)."))
]
TargetMetric = Annotated[
    str | None,
    typer.Option(help=said("target_metric", "ssimulacra2=80, psnr=40, ssim=0.98, ms-ssim=0.99 or their like.")),
]
Codec = Annotated[
    str | None,
    typer.Option(
        help="learned, perceptron, faces, dft or u-system: write .jxj files of that codec in place of JPEG. "
        "[-q 50; dft, u-system: 75]"
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Weights of --codec learned, perceptron or faces: a name, or a path to a .jxw or .npz. [default: light; linear8]"
    ),
]
Restart = Annotated[str | None, typer.Option(help="Restart marker every N MCU rows, or NB for every N MCUs.")]
Scans = Annotated[Path | None, typer.Option(help=said("scans", "A file."))]
Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]
