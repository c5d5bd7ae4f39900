"""How fast is the learned codecs' entropy coder on one core, and how many bits too many does it take?

    python benchmarks/rans.py [--rounds 25] [--symbols 1000000] [--quick] [--output benchmarks/results/rans.json]

Zero-mean Gaussian symbols over 64 scales, 0.11..64, most of them narrow: about 1.1 bits each. Ours with the lanes that
it chooses, and with 1, 4 and 32, beside constriction's ANS and range coders where it is installed (`pip install
constriction`). Arrays in, bytes out, and back; without compilation and without making models or tables, but what a
contestant makes of a scale for each symbol counts. Best: the fastest round, for machines that others use too. Overhead:
over the information of these symbols under the true distribution, the tables' rounding and escapes included.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from reports import RESULTS, save
from rounds import one_core, race

from jpegjax.coding.rans import SKIP, Decoder, Tables, encode, gaussian_tables

SCALES = np.geomspace(0.11, 64, 64)
_MEAN_INDEX = 13.0  # of an exponential distribution; makes 1.1 bits a symbol
_REACH = 1000  # constriction wants to know how large a symbol can be

Coder = tuple[Callable[[], Any], Callable[[Any], np.ndarray], Callable[[Any], int]]
"""Encoding, decoding of what it gives, and the bytes of that."""


def drawn(count: int, skipped: float) -> tuple[np.ndarray, np.ndarray]:
    """(symbols int32, indexes uint8), a share of them skipped."""
    rng = np.random.default_rng(0)
    indexes = np.minimum(rng.exponential(_MEAN_INDEX, count), len(SCALES) - 1).astype(np.uint8)
    symbols = np.rint(rng.normal(size=count) * SCALES[indexes]).astype(np.int32)
    skips = rng.random(count) < skipped
    symbols[skips], indexes[skips] = 0, SKIP
    return symbols, indexes


def information(symbols: np.ndarray, scales: np.ndarray) -> float:
    """Bits of symbols under the Gaussians that they were drawn from."""
    erfc, root = np.vectorize(math.erfc, otypes=[float]), scales * math.sqrt(2)
    above, below = (erfc((np.abs(symbols) + side) / root) for side in (0.5, -0.5))
    return -float(np.log2(np.where(symbols == 0, 1 - above, 0.5 * (below - above))).sum())


def ours(symbols: np.ndarray, indexes: np.ndarray, tables: Tables, lanes: int | None) -> Coder:
    def decode(data: bytes) -> np.ndarray:
        decoder = Decoder(data, tables)
        found = decoder.read(indexes)
        decoder.finish()
        return found

    return lambda: encode([(symbols, indexes)], tables, lanes=lanes), decode, len


def constriction(symbols: np.ndarray, indexes: np.ndarray) -> dict[str, Coder]:
    """Its coders, where it is installed; they never see what is skipped."""
    if find_spec("constriction") is None:
        return {}
    from constriction import stream

    model = stream.model.QuantizedGaussian(-_REACH, _REACH)
    kept = indexes != SKIP
    coded, scales = symbols[kept], SCALES[indexes[kept]]
    means = np.zeros(len(coded))

    def back(found: np.ndarray) -> np.ndarray:
        out = np.zeros_like(symbols)
        out[kept] = found
        return out

    def ans() -> np.ndarray:
        coder = stream.stack.AnsCoder()
        coder.encode_reverse(coded, model, means, scales)
        return coder.get_compressed()

    def ranges() -> np.ndarray:
        coder = stream.queue.RangeEncoder()
        coder.encode(coded, model, means, scales)
        return coder.get_compressed()

    return {
        "constriction ANS": (ans, lambda w: back(stream.stack.AnsCoder(w).decode(model, means, scales)), _nbytes),
        "constriction range": (
            ranges,
            lambda w: back(stream.queue.RangeDecoder(w).decode(model, means, scales)),
            _nbytes,
        ),
    }


def _nbytes(words: np.ndarray) -> int:
    return words.nbytes


def measure(case: str, count: int, skipped: float, rounds: int) -> dict[str, Any]:
    """Speed both ways, and size, of all contestants."""
    symbols, indexes = drawn(count, skipped)
    tables, kept = gaussian_tables(SCALES), indexes != SKIP
    bits = information(symbols[kept], SCALES[indexes[kept]])
    coders = {"jpegjax": ours(symbols, indexes, tables, None)}
    coders |= {f"jpegjax, lanes={n}": ours(symbols, indexes, tables, n) for n in (1, 4, 32)}
    coders |= constriction(symbols, indexes)
    streams = {name: encoding() for name, (encoding, _, _) in coders.items()}
    for name, (_, decoding, _) in coders.items():
        assert np.array_equal(decoding(streams[name]), symbols), name
    repeat = max(1, 100_000 // count)
    found: dict[str, Any] = {"case": case, "symbols": count, "bits_per_symbol": bits / count, "rounds": rounds}
    calls = {
        "encode": {name: encoding for name, (encoding, _, _) in coders.items()},
        "decode": {name: lambda n=name, d=decoding: d(streams[n]) for name, (_, decoding, _) in coders.items()},
    }
    for verb, contestants in calls.items():
        seconds = race(verb, case, count, contestants, rounds=rounds, repeat=repeat).seconds
        found[f"{verb}_msymbol_per_second"] = {n: count / 1e6 / statistics.median(s) for n, s in seconds.items()}
        found[f"best_{verb}_msymbol_per_second"] = {n: count / 1e6 / min(s) for n, s in seconds.items()}
    found["nbytes"] = {name: size(streams[name]) for name, (_, _, size) in coders.items()}
    found["overhead"] = {name: 8 * nbytes / bits - 1 for name, nbytes in found["nbytes"].items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--symbols", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="few symbols, one round: only shows that it runs")
    parser.add_argument("--output", type=Path, help="the JSON [default: in benchmarks/results, for a whole run]")
    given = parser.parse_args()
    count, rounds = (20_000, 1) if given.quick else (given.symbols, given.rounds)
    cases = (("Gaussian", count, 0.0), ("four of five skipped", count, 0.8), ("a small picture", 2000, 0.0))
    with one_core():
        results = [measure(*case, rounds) for case in cases]
    for r in results:
        print(f"{r['case']}: {r['symbols']} symbols, {r['bits_per_symbol']:.3f} bits each; Msymbol/s, median (best)")
        for name in r["nbytes"]:
            speeds = [
                f"{verb} {r[f'{verb}_msymbol_per_second'][name]:6.1f} ({r[f'best_{verb}_msymbol_per_second'][name]:6.1f})"
                for verb in ("encode", "decode")
            ]
            print(f"  {name:20} {'  '.join(speeds)}  {r['nbytes'][name]:8} bytes, {r['overhead'][name]:+8.3%}")
    path = given.output or (None if given.quick else RESULTS / "rans.json")
    if path:
        save({**describe(), "results": results}, path)


if __name__ == "__main__":
    main()
