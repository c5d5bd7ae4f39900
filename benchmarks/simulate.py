"""How fast is `jpegjax.simulate`, forward and backward, beside kornia's differentiable JPEG (torch)?

    python benchmarks/simulate.py [--rounds 15] [--batch 16] [--side 256] [--output benchmarks/results/simulate.json]

4:2:0, quality 75, a batch of float RGB images on the CPU, all cores for each in its turn. One call: pixels after coding,
and the gradient of their mean squared difference to the input for every pixel. "tables" also takes the gradient for the
quality of each image, as kornia does when asked. kornia codes no chroma but 4:2:0 and gives floats 0..1, which are not
libjpeg's. Compilation is not counted; the first call of each, which compiles, is reported apart.
Needs torch and kornia (`pip install torch kornia`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from kornia.enhance import jpeg_codec_differentiable
from machine import describe
from photographs import synthetic
from reports import RESULTS, save
from rounds import race, timed

import jpegjax


def ours(images: np.ndarray, quality: np.ndarray, tables: bool, **options: Any) -> Callable[[], object]:
    """One training step's worth of `simulate`."""

    def loss(x: jax.Array, q: jax.Array) -> jax.Array:
        shown = jpegjax.simulate(x, q, **options)
        estimate = 0.0
        if options.get("bits"):
            shown, bits = shown
            estimate = jnp.mean(bits) * 1e-6
        return jnp.mean(jnp.square(shown - x)) + estimate

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1) if tables else 0))
    x, q = jnp.asarray(images, jnp.float32), jnp.asarray(quality)
    return lambda: jax.block_until_ready(step(x, q))


def kornias(images: np.ndarray, quality: np.ndarray, tables: bool) -> Callable[[], object]:
    """The same of kornia's."""
    pixels = torch.from_numpy(images.astype(np.float32).transpose(0, 3, 1, 2) / 255).contiguous()
    x = pixels.requires_grad_(True)
    q = torch.from_numpy(quality.astype(np.float32)).requires_grad_(tables)

    def step() -> object:
        x.grad = q.grad = None
        loss = (jpeg_codec_differentiable(x, q) - x).square().mean()
        loss.backward()
        return loss.item(), x.grad

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--output", type=Path, default=RESULTS / "simulate.json")
    given = parser.parse_args()
    images = np.stack([synthetic(given.side, given.side, seed) for seed in range(given.batch)])
    quality = np.full(given.batch, 75, np.int32)
    exact = np.stack([jpegjax.decode(jpegjax.encode(image, quality=75)) for image in images])
    assert (np.asarray(jpegjax.simulate(images, quality)) == exact).all()
    floats = quality.astype(np.float32)
    soft = {"gradient": "soft"}
    cases: dict[str, Callable[[], object]] = {
        "jpegjax": ours(images, quality, False),
        "jpegjax exact, soft gradient": ours(images, quality, False, **soft),
        "jpegjax smooth": ours(images, quality, False, forward="smooth", **soft),
        "jpegjax smooth, bits": ours(images, quality, False, forward="smooth", bits=True, **soft),
        "jpegjax smooth, tables": ours(images, floats, True, forward="smooth", **soft),
        "kornia": kornias(images, quality, False),
        "kornia, tables": kornias(images, quality, True),
    }
    first = {name: timed(call) for name, call in cases.items()}
    found = race("simulate", "4:2:0 q75 forward + backward", given.batch * given.side**2, cases, rounds=given.rounds)
    over = {name: found.ratio("kornia", name) for name in cases if name.startswith("jpegjax")}
    met = over["jpegjax"] >= 5
    report: dict[str, Any] = {
        **describe(),
        "peer": {name: version(name) for name in ("kornia", "torch")},
        "threads": {"torch": torch.get_num_threads()},
        "batch": list(images.shape),
        "first_call_seconds": first,
        "results": [{**found.as_dict(), "over_kornia": over}],
        "verdict": {
            "what": "exact, straight-through, over kornia",
            "measured": over["jpegjax"],
            "threshold": "≥ 5",
            "met": met,
        },
    }
    for name, seconds in report["results"][0]["seconds"].items():
        ratio = f"  kornia's time over ours {over[name]:5.2f}" if name in over else ""
        print(f"{name:30} {seconds * 1e3:8.1f} ms  best {min(found.seconds[name]) * 1e3:8.1f} ms{ratio}")
    save(report, given.output)


if __name__ == "__main__":
    main()
