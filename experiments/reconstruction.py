"""What decoding gains by points in their bins and by not rounding: `python -m experiments.reconstruction [--quick] [--fit]`.

Kodak and LIVE1 (19 of its 29 scenes are Kodak's: no independent sets; nothing is fitted to either). Files: plain 4:2:0 and
4:4:4, two tunes, and jpegli's encoder where pyjpegli is installed, whose bins are not about their middles either. Each is
decoded by libjpeg's rule ("plain"), by `reconstruction=` and `dtype=`, and by jpegli's decoder, the anchor. PSNR of luma and of
RGB against the original; the gain is over the plain decoder, mean and worst picture. Time on one core, ratios within rounds.
Some five minutes on two cores. --fit finds the constants of `kernels.precise.points` anew.

Expected on Kodak, plain 4:2:0 at quality 75: about +0.4 dB of luma, a tenth more than jpegli's decoder.
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import jpegjax
from benchmarks.machine import ROOT, describe
from benchmarks.rounds import one_core, race
from experiments.tuning import pictures
from jpegjax.kernels.precise.points import count_levels, shifts, trust
from jpegjax.ops import precise_planes

RESULTS = ROOT / "experiments" / "results" / "reconstruction"
PLAIN, TUNED = (10, 20, 30, 40, 50, 75, 90, 95), (10, 30, 50, 75, 90)
WAYS: dict[str, dict[str, Any]] = {
    "laplacian": {"reconstruction": "laplacian"},
    "laplacian, float32": {"reconstruction": "laplacian", "dtype": "float32"},
    "midpoint, float32": {"dtype": "float32"},
}
ENCODERS: dict[str, dict[str, Any]] = {
    "plain 4:2:0": {"subsampling": "4:2:0"},
    "plain 4:4:4": {"subsampling": "4:4:4"},
    'tune="psnr"': {"tune": "psnr"},
    "tune=True": {"tune": True},
}
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

try:
    import pyjpegli
except ImportError:
    pyjpegli = None


def live1() -> dict[str, np.ndarray]:
    """The 29 pictures of LIVE1 by name, uint8 [H, W, 3]: evaluation only."""
    found = sorted((pictures.shared() / "data" / "live1").glob("*.png"))
    return {p.stem: np.asarray(Image.open(p).convert("RGB")) for p in found}


SETS = {"kodak": pictures.kodak, "live1": live1}


def jpegli_decoded(data: bytes) -> np.ndarray:
    """Pixels by jpegli's decoder, uint8 [H, W, 3]."""
    pixels, width, height = pyjpegli.decode(data)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def psnrs(image: np.ndarray, decoded: np.ndarray) -> tuple[float, float]:
    """PSNR in dB of luma (BT.601 of the pixels, not rounded) and of RGB."""
    error = decoded.astype(np.float32) - image
    luma = LUMA[0] * error[..., 0] + LUMA[1] * error[..., 1] + LUMA[2] * error[..., 2]
    y, rgb = (10 * float(np.log10(255**2 / np.mean(np.square(e), dtype=np.float64))) for e in (luma, error))
    return y, rgb


def files(images: dict[str, np.ndarray], encoder: str, quality: int) -> list[bytes]:
    """A file of each picture."""
    if encoder == "jpegli":
        return [pyjpegli.encode(im.tobytes(), im.shape[1], im.shape[0], quality) for im in images.values()]
    return [jpegjax.encode(im, quality=quality, engine="host", **ENCODERS[encoder]) for im in images.values()]


def measured(images: dict[str, np.ndarray], encoder: str, quality: int) -> dict[str, Any]:
    """Mean PSNR of the plain decoder, and what each other way gains: mean and worst in luma and RGB."""
    names = (*WAYS, *(["jpegli"] if pyjpegli else []))

    def one(pair: tuple[np.ndarray, bytes]) -> tuple[float, list[tuple[float, float]]]:
        image, data = pair
        decoded = [jpegjax.decode(data, engine="host")]
        for name in names:
            decoded.append(
                jpegli_decoded(data) if name == "jpegli" else jpegjax.decode(data, engine="host", **WAYS[name])
            )
        levels = [count_levels(np.ascontiguousarray(p[0])) for p in jpegjax.read_coefficients(data).planes]
        return trust(levels), [psnrs(image, pixels) for pixels in decoded]

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(one, zip(images.values(), files(images, encoder, quality), strict=True)))
    trusted, scores = [r[0] for r in results], np.array([r[1] for r in results])
    plain = scores[:, 0]
    gains = {name: scores[:, i + 1] - plain for i, name in enumerate(names)}
    row: dict[str, Any] = {"encoder": encoder, "quality": quality, "trust": round(statistics.mean(trusted), 3)}
    row["psnr_y"], row["psnr_rgb"] = (round(float(x), 3) for x in np.mean(plain, 0))
    row["gains"] = {
        name: {
            "y": round(float(np.mean(found, 0)[0]), 4), "y_worst": round(float(np.min(found, 0)[0]), 4),
            "rgb": round(float(np.mean(found, 0)[1]), 4), "rgb_worst": round(float(np.min(found, 0)[1]), 4),
        }
        for name, found in gains.items()
    }  # fmt: skip
    return row


def fitted(images: dict[str, np.ndarray]) -> np.ndarray:
    """Constants of `kernels.precise.points` by these pictures: odds, gain per level, span, of the best mean gain in luma.

    A file's squared error is a parabola of its trust, which three decodings give: of luma, not clipped.
    """
    from scipy.optimize import minimize

    rows = []
    for encoder in ("plain 4:2:0", 'tune="psnr"', "tune=True"):
        for quality in TUNED:
            for image, data in zip(images.values(), files(images, encoder, quality), strict=True):
                c = jpegjax.read_coefficients(data)
                counts = [count_levels(np.ascontiguousarray(p[0])) for p in c.planes]
                most = max(counts, key=lambda one: int(one.levels[1:, 0].sum()))
                (near, far), (near_last, far_last) = most.ones + 0.5
                odds = np.log(far_last / near_last * near / far)
                density = np.log(most.levels[1:, 0].sum() / most.blocks + 0.01)
                luma, errors = image @ LUMA, []
                for share in (0, 0.5, 1):
                    lost = [(share * shifts(counts[0])).astype(np.float32)]
                    size = c.frame.height, c.frame.width
                    found = precise_planes(c.planes[:1], c.qtables[:1], lost, [(1, 1)], size)[0]
                    errors.append(float(np.mean((np.asarray(found[0]) - luma) ** 2)))
                rows.append((odds, density, *np.polyfit((0, 0.5, 1), errors, 2)))
    odds, density, a, b, c0 = np.array(rows).T

    def loss(constants: np.ndarray) -> float:
        share = np.clip((odds - constants[0] - constants[1] * density) / constants[2], 0, 1)
        return float(np.mean(10 * np.log10((a * share**2 + b * share + c0) / c0)))

    return minimize(loss, [0.5, 0.1, 1.0], method="Nelder-Mead").x


def timed(rounds: int) -> list[dict[str, Any]]:
    """Decoding of a mosaic of Kodak pictures, 2.4 Mpixel, on one core, per quality."""
    image = np.concatenate([p for p in pictures.kodak().values() if p.shape == (512, 768, 3)][:6])
    found = []
    with one_core():
        for quality in (50, 75, 90):
            data = jpegjax.encode(image, quality=quality)
            calls: dict[str, Any] = {"plain": lambda data=data: jpegjax.decode(data, engine="host")}
            for name, options in WAYS.items():
                calls[name] = lambda data=data, options=options: jpegjax.decode(data, engine="host", **options)
            if pyjpegli:
                calls["jpegli"] = lambda data=data: pyjpegli.decode(data)
            run = race("decode", f"quality {quality}", image.shape[0] * image.shape[1], calls, rounds=rounds)
            said = run.as_dict()
            said["time_over_plain"] = {n: round(run.ratio(n, "plain"), 3) for n in calls}
            found.append(said)
    return found


def table(results: dict[str, Any]) -> str:
    """The gains in Markdown, mean dB of luma / RGB, the worst picture's luma in brackets."""
    ways = list(results["rows"][0]["gains"])
    about = f"`{results['command']}`, {results['machine']['cpu']}, commit {results['commit']}"
    lines = [
        "Gain in dB over libjpeg's pixels, PSNR of luma / of RGB, in brackets the worst picture's luma; trust: how far the "
        f"file's shifts are followed. {about}.", "",
    ]  # fmt: skip
    for name in dict.fromkeys(row["set"] for row in results["rows"]):
        lines += [f"**{name}**", "", f"| file | quality | plain, dB | trust | {' | '.join(ways)} |"]
        lines.append("|---" * (4 + len(ways)) + "|")
        for row in results["rows"]:
            if row["set"] == name:
                cells = [f"{g['y']:+.3f} / {g['rgb']:+.3f} ({g['y_worst']:+.3f})" for g in row["gains"].values()]
                start = f"{row['encoder']} | {row['quality']} | {row['psnr_y']:.2f} / {row['psnr_rgb']:.2f}"
                lines.append(f"| {start} | {row['trust']:.2f} | {' | '.join(cells)} |")
        lines.append("")
    lines += ["Decoding on one core, Mpixel/s.", "", f"| quality | {' | '.join(results['timing'][0]['seconds'])} |"]
    lines.append("|---" * (1 + len(results["timing"][0]["seconds"])) + "|")
    for row in results["timing"]:
        lines.append(
            f"| {row['case'].split()[1]} | {' | '.join(f'{s:.0f}' for s in row['mpixel_per_second'].values())} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="four pictures of each set")
    parser.add_argument("--fit", action="store_true", help="only print constants, by 40 training photographs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="without suffix")
    asked = parser.parse_args()
    if asked.fit:
        entries = pictures.listing(False)[:40]
        images = {file: image for (_, file), image in zip(entries, pictures.load(entries), strict=True)}
        print("odds, per level, span:", np.round(fitted(images), 3))
        return
    command = f"python -m experiments.reconstruction{' --quick' if asked.quick else ''}"
    results: dict[str, Any] = {**describe(), "command": command, "rows": []}
    results["timing"] = timed(3 if asked.quick else 15)
    for name, load in SETS.items():
        images = dict(list(load().items())[: 4 if asked.quick else None])
        for encoder in (*ENCODERS, *(["jpegli"] if pyjpegli else [])):
            for quality in PLAIN if encoder == "plain 4:2:0" else TUNED:
                row = {"set": name, "pictures": len(images), **measured(images, encoder, quality)}
                results["rows"].append(row)
                best = row["gains"]["laplacian"]
                print(f"{name} {encoder} q{quality}: {best['y']:+.3f} dB luma, {best['rgb']:+.3f} RGB", flush=True)
    asked.output.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    asked.output.with_suffix(".md").write_text(table(results))


if __name__ == "__main__":
    main()
