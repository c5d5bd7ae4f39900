"""A decoder of half the multiply-adds for the learned codec (Kim 2020): `python -m experiments.kim`.

Ten minutes on two idle cores: channels of the light model's decoder are pruned, the rest is tuned on training crops, encoder and
entropy model untouched, so that streams stay the same; then the 24 Kodak photographs, real bytes, and seconds of decoding in the
same run. Goes on where runs/kim stopped; `--steps 0` prunes and measures alone. Writes experiments/results/kim.json, .md and
runs/kim/light-fast.jxw. Expect at most 5 % BD-rate (PSNR) against the whole decoder.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from PIL import Image

from benchmarks.machine import ROOT, describe
from experiments.learned.kodak import SHARED
from jpegjax import metrics
from jpegjax.learned import weights
from jpegjax.learned.codec import decode_all, encode_all
from jpegjax.learned.parts import Loaded

from .prune import DEEP, SHOWN, pruned, synthesis_macs
from .tune import tuned

RESULTS = ROOT / "experiments" / "results"
COMMAND = "python -m experiments.kim"
QUALITIES = (12, 24, 36, 48, 60, 72, 84)
NAME, BASE = "light-fast", "light"


def curves(models: dict[str, Loaded], pictures: list[np.ndarray], rounds: int = 5) -> dict[str, Any]:
    """Of each decoder, of the same streams: mean PSNR (RGB) at each quality, and seconds to decode all pictures, best of rounds
    that alternate."""
    bpp: list[float] = []
    psnr: dict[str, list[float]] = {name: [] for name in models}
    for quality in QUALITIES:
        streams = encode_all(pictures, quality, models[BASE])
        pixels = [p.shape[0] * p.shape[1] for p in pictures]
        bpp.append(float(np.mean([8 * len(s) / n for s, n in zip(streams, pixels, strict=True)])))
        for name, model in models.items():
            shown = decode_all(streams, [model])
            found = [float(metrics.psnr(a, b)) for a, b in zip(pictures, shown, strict=True)]
            psnr[name].append(float(np.mean(found)))
    streams = encode_all(pictures, 48, models[BASE])
    seconds = {name: float("inf") for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            begin = time.perf_counter()
            decode_all(streams, [model])
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return {
        "bpp": bpp,
        "psnr": psnr,
        "seconds": seconds,
        "network_seconds": _of_networks(models, pictures[0], 4 * rounds),
    }


def _of_networks(models: dict[str, Loaded], picture: np.ndarray, rounds: int) -> dict[str, float]:
    """Seconds to turn y of one picture into pixels, compiled, best of rounds that alternate."""
    high, wide = (-(-side // 16) for side in picture.shape[:2])
    y, quality = jnp.asarray(np.random.default_rng(0).normal(size=(1, high, wide, 384)), jnp.float32), jnp.full(1, 48.0)
    run = nnx.jit(lambda model: model.synthesise(y, quality))
    merged = {name: nnx.merge(model.graph, model.state) for name, model in models.items()}
    seconds = {name: float("inf") for name in models}
    for model in merged.values():
        run(model).block_until_ready()
    for _ in range(rounds):
        for name, model in merged.items():
            begin = time.perf_counter()
            run(model).block_until_ready()
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return seconds


def summed(found: dict[str, Any], costs: dict[str, float]) -> dict[str, Any]:
    """BD-rate and ratios of the small decoder against the whole."""
    points = {name: list(zip(found["bpp"], values, strict=True)) for name, values in found["psnr"].items()}
    lost = np.subtract(found["psnr"][BASE], found["psnr"][NAME])
    return {
        "bd_rate": round(float(metrics.bd_rate(points[BASE], points[NAME])), 3),
        "db_lost": {"mean": round(float(lost.mean()), 3), "most": round(float(lost.max()), 3)},
        "macs_a_pixel": {name: round(cost) for name, cost in costs.items()},
        "macs": round(costs[NAME] / costs[BASE], 4),
        "speed_up": round(found["network_seconds"][BASE] / found["network_seconds"][NAME], 3),
        "speed_up_of_files": round(found["seconds"][BASE] / found["seconds"][NAME], 3),
    }


def table(report: dict[str, Any]) -> str:
    """Markdown."""
    curve, found = report["curve"], report["found"]
    rows = [
        "| quality | bits a pixel | whole decoder, dB | pruned, dB | lost |\n| ---: | ---: | ---: | ---: | ---: |\n"
    ]
    for i, quality in enumerate(QUALITIES):
        a, b = curve["psnr"][BASE][i], curve["psnr"][NAME][i]
        rows.append(f"| {quality} | {curve['bpp'][i]:.3f} | {a:.2f} | {b:.2f} | {a - b:.2f} |\n")
    costs = found["macs_a_pixel"]
    rows.append(
        f"\nBD-rate {found['bd_rate']:+.2f} %; {costs[NAME]} multiply-adds a pixel to turn y into pixels, of {costs[BASE]} "
        f"({found['macs']:.2f}), {found['speed_up']:.2f} times as fast; files are decoded {found['speed_up_of_files']:.2f} times "
        "as fast, with the entropy model, which is the same.\n"
    )
    return "".join(rows)


def claim(report: dict[str, Any]) -> dict[str, str]:
    found = report["found"]
    return {
        "system": "Kim 2020 (light decoder)",
        "claims": "a large encoder and a decoder whose channels are pruned; no figure at hand",
        "measured": f"{1 - found['macs']:.0%} fewer multiply-adds at {found['bd_rate']:+.1f} % BD-rate on Kodak, "
        f"{found['speed_up']:.2f} times as fast (whole files {found['speed_up_of_files']:.2f})",
        "command": COMMAND,
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("runs/kim"), help="checkpoints and weights")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--steps", type=int, default=8_000, help="updates; 0 leaves the pruned decoder as it is")
    parser.add_argument("--data", action="append", help="folder or pack of pictures; default: those of $JPEGJAX_SHARED")
    parser.add_argument("--channels", type=int, nargs=2, default=(SHOWN, DEEP), metavar=("AT8", "AT16"))
    given = parser.parse_args(words)
    paths = sorted((SHARED / "data" / "kodak").glob("*.png"))
    if not paths:
        parser.error(f"no kodak in {SHARED / 'data'}: set JPEGJAX_SHARED")
    teacher = weights.trainable(weights.file_of(BASE))
    small = pruned(teacher, *given.channels)
    costs = {BASE: synthesis_macs(teacher), NAME: synthesis_macs(small)}
    evaluation: dict[str, float] = {}
    steps = 0
    if given.steps:
        small, evaluation, steps = tuned(teacher, small, given.work, steps=given.steps, data=given.data)
    arrays = weights.read(weights.file_of(BASE)).arrays
    own = weights.export(small)
    arrays = {k: own[k] if k in own and k.partition("/")[0] in weights.SYNTHESIS else v for k, v in arrays.items()}
    given.work.mkdir(parents=True, exist_ok=True)
    path = given.work / f"{NAME}.jxw"
    weights.write(path, NAME, small.size, arrays, BASE)
    models = {BASE: weights.named(BASE), NAME: weights.load(path)}
    pictures = [np.asarray(Image.open(p).convert("RGB")) for p in paths]
    curve = curves(models, pictures)
    command = shlex.join(["python", "-m", "experiments.kim", *(sys.argv[1:] if words is None else words)])
    report: dict[str, Any] = {
        **describe(), "command": command, "channels": list(given.channels), "steps": steps, "validation": evaluation,
        "nbytes": path.stat().st_size, "qualities": list(QUALITIES), "curve": curve, "found": summed(curve, costs),
    }  # fmt: skip
    report["literature"] = [claim(report)]
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to / "kim.json").write_text(json.dumps(report, indent=1) + "\n")
    text = (
        f"Kim 2020, a pruned decoder for the light codec; `{command}` at commit {report['commit']}.\n\n{table(report)}"
    )
    (given.to / "kim.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
