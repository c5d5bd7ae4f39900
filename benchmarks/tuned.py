"""How fast are tuned files, beside mozjpeg's? And where does the time go?

    python benchmarks/tuned.py [FOLDER] [--rounds 7] [--quality 75] [--output benchmarks/results/tuned.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. Contestants take turns in every round. "all cores" is
one call with all pictures, "one by one" a loop of calls that each may use all cores, "1 thread" the same loop on one
core. Peers, on one core: Pillow (plain files), and mozjpeg 4.0.3 where jpeglib is installed, which hands pictures over
through files. Rates are for the same quality number, not for equal quality: see the rate-distortion results for that.
The stages run on one core by themselves. No time includes reading files or compiling kernels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from ours import TUNES
from peers import over, pillow_encode
from photographs import pictures, pixels_of
from reports import RESULTS, flags, save
from rounds import Race, one_core, race

import jpegjax
from jpegjax.jpeg import files as entropy
from jpegjax.jpeg.tuned.encode import raw_blocks, run_trellis, tuned_planes
from jpegjax.jpeg.tuned.plan import Plan, chosen_recipe, tuned_frame
from jpegjax.jpeg.tuned.planes import Picture
from jpegjax.jpeg.tuned.scans import best_script
from jpegjax.kernels.tuned.field import strength_field
from jpegjax.options import EncodeOptions

FLOOR, AIM = 25, 50  # Mpixel/s on two cores


def mozjpeg(folder: str) -> Callable[[np.ndarray, int], bytes] | None:
    """mozjpeg's encoder by jpeglib, through a file in this folder; None where it is not installed."""
    try:
        import jpeglib
    except ImportError:
        return None
    path = str(Path(folder) / "mozjpeg.jpg")

    def encode(image: np.ndarray, quality: int) -> bytes:
        jpeglib.version.set("mozjpeg403")
        picture = jpeglib.from_spatial(image)
        picture.samp_factor = "4:2:0"
        picture.write_spatial(path, qt=quality)
        return Path(path).read_bytes()

    return encode


def bpp(files: Sequence[bytes], pixels: int) -> float:
    return 8 * sum(map(len, files)) / pixels


def speed(images: list[np.ndarray], quality: int, rounds: int, folder: str) -> Iterator[Race]:
    """Whole encodes of every tune."""
    pixels = pixels_of(images)
    rates = {name: bpp(jpegjax.encode(images, quality=quality, tune=t), pixels) for name, t in TUNES.items()}

    def tuned(tune: Any) -> Callable[[Any], Any]:
        return lambda given: jpegjax.encode(given, quality=quality, tune=tune, engine="host")

    batches: dict[str, Callable] = {name: lambda t=t: tuned(t)(images) for name, t in TUNES.items()}
    yield race("speed", f"q{quality} all cores", pixels, batches, rounds=rounds, bpp=rates)
    singles: dict[str, Callable] = {name: over(images, tuned(t)) for name, t in TUNES.items()}
    yield race("speed", f"q{quality} one by one, all cores", pixels, singles, rounds=rounds, bpp=rates)
    peers: dict[str, Callable] = {"Pillow": lambda image: pillow_encode(image, quality=quality)}
    if (moz := mozjpeg(folder)) is not None:
        peers["mozjpeg"] = lambda image: moz(image, quality)
    rates |= {name: bpp([call(image) for image in images], pixels) for name, call in peers.items()}
    with one_core():
        contest = singles | {name: over(images, call) for name, call in peers.items()}
        yield race("speed", f"q{quality} 1 thread", pixels, contest, rounds=rounds, bpp=rates)


def stages(images: list[np.ndarray], quality: int, rounds: int) -> Iterator[Race]:
    """Each stage alone, on one core, fed with what the one before it made."""
    pixels = pixels_of(images)
    for name, tune in TUNES.items():
        options = EncodeOptions(quality=quality, tune=tune)
        recipe = chosen_recipe(options)
        frames = [tuned_frame(*image.shape, recipe, options) for image in images]
        coded = [tuned_planes(image, frame, recipe) for image, frame in zip(images, frames, strict=True)]
        cut = [Picture(image, frame) for image, frame in zip(images, frames, strict=True)]
        samples = [[p.component(c, recipe.chroma) for c in range(3)] for p in cut]
        raws = [[raw_blocks(s[c], *f.blocks(c)) for c in range(3)] for s, f in zip(samples, frames, strict=True)]

        def masking(i: int, samples=samples, frames=frames, recipe=recipe, raws=raws) -> np.ndarray | None:
            plane, blocks, raw = samples[i][0], frames[i].blocks(0), raws[i][0]
            return strength_field(plane, *blocks, recipe.field, recipe.network, raw, recipe.steps[0])

        fields = [masking(i) for i in range(len(images))]
        scripts = [best_script(p, f) for p, f in zip(coded, frames, strict=True)]
        tables = list(recipe.steps)

        def trellis(i: int, raws=raws, frames=frames, recipe=recipe, fields=fields) -> None:
            out = [np.empty_like(raw) for raw in raws[i]]
            run_trellis(Plan(frames[i], recipe), dict(enumerate(raws[i])), out, fields[i])

        def write(i: int, coded=coded, frames=frames, tables=tables, scripts=scripts) -> bytes:
            return entropy.encode_image(coded[i], frames[i], tables, EncodeOptions(scans=scripts[i]))

        calls: dict[str, Callable[[int], Any]] = {
            "whole": lambda i, tune=tune: jpegjax.encode(images[i], quality=quality, tune=tune, engine="host"),
            "colour": lambda i, frames=frames: Picture(images[i], frames[i]),
            "chroma downsampling": lambda i, cut=cut, r=recipe: [cut[i].component(c, r.chroma) for c in (1, 2)],
            "masking field": masking,
            "DCT": lambda i, s=samples, f=frames: [raw_blocks(s[i][c], *f[i].blocks(c)) for c in range(3)],
            "trellis": trellis,
            "scan search": lambda i, p=coded, f=frames: best_script(p[i], f[i]),
            "entropy coding": write,
        }
        if any(recipe.compensate):
            gains = recipe.compensate
            calls["luma compensation"] = lambda i, cut=cut, p=coded, t=tables, g=gains: cut[i].compensate(
                p[i][1:], t[1:], g
            )
        with one_core():
            contest = {stage: over(range(len(images)), call) for stage, call in calls.items()}
            found = race("stages", f"q{quality} {name}, 1 thread", pixels, contest, rounds=rounds)
        medians = {stage: float(np.median(seconds)) for stage, seconds in found.seconds.items()}
        shares = {stage: round(s / medians["whole"], 3) for stage, s in medians.items() if stage != "whole"}
        yield Race(found.section, found.case, pixels, found.seconds, {"share": shares})


def main() -> None:
    parser = flags(__doc__, 7, quick=True)
    parser.add_argument("--quality", type=int, default=75)
    given = parser.parse_args()
    source, images = pictures(given.folder, given.quick)
    rounds = 1 if given.quick else given.rounds
    results = []
    with tempfile.TemporaryDirectory() as folder:
        found = [speed(images, given.quality, rounds, folder), stages(images, given.quality, rounds)]
        for section in found:
            for one in section:
                results.append(one.as_dict())
                rates = ", ".join(f"{name} {rate:.1f}" for name, rate in results[-1]["mpixel_per_second"].items())
                print(f"{one.section} {one.case}, Mpixel/s: {rates}", flush=True)
    reached = {name: results[0]["mpixel_per_second"][name] for name in TUNES}
    verdicts = [
        {"what": f"{name}, all cores, Mpixel/s", "measured": rate, "threshold": FLOOR, "aim": AIM, "met": rate >= FLOOR}
        for name, rate in reached.items()
    ]
    for verdict in verdicts:
        print(f"{'met    ' if verdict['met'] else 'NOT MET'}  {verdict['what']}: {verdict['measured']:.1f} "
              f"(≥ {FLOOR}, aim {AIM})")  # fmt: skip
    output = given.output or (None if given.quick else RESULTS / "tuned.json")
    if output:
        save({**describe(), "pictures": f"{len(images)} of {source}", "verdicts": verdicts, "results": results}, output)


if __name__ == "__main__":
    main()
