"""The tuned encoder on a device: the JAX trellis decides as the numba one, and both engines write the same files."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import slopes

import jpegjax
from jpegjax.jpeg.tuned import device as xla
from jpegjax.jpeg.tuned import plan
from jpegjax.kernels.tuned.trellis import (
    EMPTY,
    RATE_FIELDS,
    Blocks,
    Costs,
    Counts,
    ac_rows,
    ac_tables,
    dc_rows,
    reciprocals,
    work_bytes,
)
from jpegjax.ops.tuned.rates import next_rates
from jpegjax.ops.tuned.trellis import ac_counts, dc_counts, trellis_ac, trellis_dc

SEGMENTS, BLOCKS, TABLES, BANDS = 6, 16, 3, 3


class Case:
    """Random blocks in segments, with tables and rates of the most varied kinds."""

    def __init__(self, seed: int, kind: str):
        rng = np.random.default_rng(seed)
        spread, largest_step, largest_weight, largest_rate, largest_field = {
            "usual": (300, 60, 1500, 16, 2048),
            "huge": (20_000, 2, 8192, 30, 65_536),
            "fine": (3000, 3, 200, 12, 512),
            "coarse": (500, 65_536, 8192, 511, 65_536),
            "weightless": (400, 30, 1, 8, 512),
            "ties": (200, 40, 2, 2, 257),
            "empty": (3, 60, 100, 9, 512),
        }[kind]
        decay = 1 / (1 + np.add.outer(np.arange(8), np.arange(8)).reshape(64)) ** rng.choice([0, 0.6, 1.3])
        x = rng.laplace(0, spread, (SEGMENTS, BLOCKS, 64)) * decay
        self.x = np.clip(x, -8200, 8200).astype(np.int16)
        self.table = rng.integers(0, TABLES, SEGMENTS).astype(np.int32)
        low = 256 if kind == "ties" else 0
        self.field = rng.integers(low, largest_field, (SEGMENTS, BLOCKS)).astype(np.uint16)
        self.steps = rng.integers(1, largest_step, (TABLES, 64)).astype(np.uint16)
        self.weights = rng.integers(0, largest_weight, (TABLES, 64)).astype(np.uint16)
        self.rates = (128 * rng.integers(0, largest_rate, (TABLES, BANDS, 256))).astype(np.int32)
        self.bands = np.full((TABLES, BANDS), 63, np.int32)
        for bands in self.bands:
            cuts = rng.choice(np.arange(1, 63), rng.integers(0, BANDS), replace=False)
            bands[: len(cuts)] = np.sort(cuts)
        self.dc_rates = (128 * rng.integers(1, largest_rate, (TABLES, 12))).astype(np.int32)
        if kind in ("usual", "coarse"):
            self.rates += rng.integers(0, 128, self.rates.shape).astype(np.int32)


kinds = st.sampled_from(["usual", "huge", "fine", "coarse", "weightless", "ties", "empty"])
on_device = partial(jax.jit, static_argnames="page")
jax_ac, jax_ac_counts = on_device(trellis_ac), on_device(ac_counts)
jax_dc, jax_dc_counts = jax.jit(trellis_dc), jax.jit(dc_counts)


def numba_ac(case: Case, s: int, table: int) -> tuple[np.ndarray, np.ndarray]:
    raw, field = np.ascontiguousarray(case.x[s]), np.ascontiguousarray(case.field[s])
    bands = np.unique(case.bands[table]).astype(np.int64)
    out, work = np.zeros_like(raw), np.zeros(work_bytes(1, len(raw)), np.uint8)
    tables, counts = ac_tables(case.rates[table][: len(bands)]), np.zeros((len(bands), 256), np.int64)
    scale, weight = reciprocals(case.steps[table]), case.weights[table].astype(np.int32)
    blocks = Blocks(raw.reshape(1, -1, 8, 8), out.reshape(1, -1, 8, 8), field[None], 1, 1)
    ac_rows(0, 1, blocks, Costs(scale, weight, bands, tables, case.dc_rates[table]), counts, work)
    return out, counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 30), kinds, st.sampled_from([2, SEGMENTS]))
def test_ac_levels_and_counts_are_those_of_the_host(seed: int, kind: str, page: int) -> None:
    case = Case(seed, kind)
    levels = jax_ac(case.x, case.table, case.field, case.steps, case.weights, case.bands, case.rates, page=page)
    valid = np.ones((SEGMENTS, BLOCKS), bool)
    counts = jax_ac_counts(levels, valid, case.table, case.bands, page=page)
    for s, table in enumerate(case.table):
        want, seen = numba_ac(case, s, table)
        np.testing.assert_array_equal(levels[s], want)
        np.testing.assert_array_equal(counts[s, : len(seen)], seen)


def test_blocks_that_do_not_count_are_not_counted() -> None:
    case = Case(5, "usual")
    run = partial(jax_ac, case.x, case.table, case.field, case.steps, case.weights, case.bands, case.rates, page=2)
    levels, some = run(), run(used=3)
    np.testing.assert_array_equal(some[:4], levels[:4])
    assert not some[4:].any()
    valid = np.arange(BLOCKS) < np.array([16, 16, 16, 16, 5, 0])[:, None]
    count = partial(jax_ac_counts, levels, table=case.table, bands=case.bands)
    counts = np.asarray(count(valid, page=SEGMENTS))
    np.testing.assert_array_equal(counts[:4], count(np.ones_like(valid), page=2)[:4])
    assert (counts[4][:, [0, EMPTY]].sum(1) <= 5).all()
    assert counts[4].any() and not counts[5].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 30), kinds, st.integers(1, 2 * BLOCKS), st.integers(1, 3))
def test_dc_levels_and_counts_are_those_of_the_host(seed: int, kind: str, columns: int, components: int) -> None:
    """Components of whole rows one after the other, each from a segment of its own on."""
    case = Case(seed, kind)
    valid, end = np.zeros((SEGMENTS, BLOCKS), bool), np.ones((SEGMENTS, BLOCKS), bool)
    previous = np.arange(-1, SEGMENTS * BLOCKS - 1, dtype=np.int32).reshape(SEGMENTS, BLOCKS)
    share = SEGMENTS // components
    wanted = []
    for c in range(components):
        rows = share * BLOCKS // columns
        if not rows:
            continue
        own = slice(c * share, (c + 1) * share)
        case.table[own] = table = case.table[c * share]
        count = rows * columns
        previous[own].reshape(-1)[0] = -1
        valid[own].reshape(-1)[:count] = True
        end[own].reshape(-1)[:count] = np.arange(count) % columns == columns - 1
        raw = np.ascontiguousarray(case.x[own].reshape(-1, 64)[:count])
        field = np.ascontiguousarray(case.field[own].reshape(-1)[:count])
        out, counts, work = np.zeros_like(raw), np.zeros(257, np.int64), np.zeros(work_bytes(1, columns), np.uint8)
        scale, weight = reciprocals(case.steps[table]), case.weights[table].astype(np.int32)
        shape = rows, columns, 8, 8
        blocks = Blocks(raw.reshape(shape), out.reshape(shape), field.reshape(rows, columns), 1, 1)
        unused = np.full(1, 63), np.zeros((1, RATE_FIELDS), np.int32)
        dc_rows(0, rows, blocks, Costs(scale, weight, *unused, case.dc_rates[table]), counts, work)
        wanted.append((own, out[:, 0], counts))
    levels = jax_dc(
        case.x[:, :, 0], case.table, case.field, case.steps[:, 0], case.weights[:, 0], case.dc_rates, previous, end,
        (columns - 1).bit_length(),
    )  # fmt: skip
    counts = np.asarray(jax_dc_counts(levels, previous, valid))
    levels = np.asarray(levels)
    for own, want, seen in wanted:
        np.testing.assert_array_equal(levels[own].reshape(-1)[: len(want)], want)
        np.testing.assert_array_equal(counts[own].sum(0), seen[:12])
    assert counts.sum() == valid.sum()


def counted(seed: int) -> np.ndarray:
    """How often 256 symbols occur: many, few, one or none of them, evenly or so that codes want more than 16 bits."""
    rng = np.random.default_rng(seed)
    counts, some = np.zeros(256, np.int64), rng.choice(256, rng.choice([0, 1, 2, 30, 256]), replace=False)
    fibonacci = np.round(1.618034 ** np.arange(256).clip(max=rng.integers(20, 39)) / 5**0.5)
    kinds = (
        np.ones(256),
        rng.integers(1, 4, 256),
        rng.integers(1, 10**5, 256),
        (rng.pareto(0.4, 256) + 1).clip(1, 10**6),
        fibonacci,
    )
    counts[some] = kinds[seed % len(kinds)][: len(some)]
    return counts


@pytest.mark.parametrize("progressive", [False, True])
def test_rates_of_the_next_pass_are_those_of_the_host(progressive: bool) -> None:
    """Of pictures of three components whose last two share tables; the codes' lengths are libjpeg's, limits and ties too."""
    frame = jpegjax.Frame(8, 8, tuple(jpegjax.Component(c + 1, 1, 1) for c in range(3)), color=jpegjax.ColorSpace.YCBCR)
    pictures, bands = 8, 2
    ac = np.array([counted(i) // 2 for i in range(3 * pictures * bands)]).reshape(pictures, 3, bands, 256)
    dc = np.array([np.sort(counted(i + 7))[-12:] // 2 for i in range(3 * pictures)]).reshape(pictures, 3, 12)
    run = jax.jit(next_rates, static_argnums=(0, 1, 2))
    found = run((0, 1, 1), 3, progressive, *(x.astype(np.int32).reshape(-1, *x.shape[2:]) for x in (ac, dc)))
    recipe = SimpleNamespace(passes=1)
    for p in range(pictures):
        given = {c: Counts(np.pad(ac[p, c], ((0, 0), (0, 1))), np.pad(dc[p, c], (0, 245))) for c in range(3)}
        host = plan.Plan.next_rates(SimpleNamespace(frame=frame, recipe=recipe, progressive=progressive), given)
        for c, rates in host.items():
            np.testing.assert_array_equal(found[0][3 * p + c], rates.ac)
            np.testing.assert_array_equal(found[1][3 * p + c], rates.dc)


def test_only_levels_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a group of pictures: one copy to the host for chroma, one for luma, which makes up for it, and none in between."""
    waited: list[int] = []

    def watched(jobs: Any, devices: Any) -> Any:
        def counting(job: Any) -> Any:
            while True:
                try:
                    wanted = next(job)
                except StopIteration as end:
                    return end.value
                waited.append(sum(leaf.nbytes for leaf in jax.tree.leaves(wanted)))
                assert {leaf.dtype for leaf in jax.tree.leaves(wanted)} == {np.dtype(np.int16)}
                yield wanted

        return flow((counting(job) for job in jobs), devices)

    flow = xla.flow
    monkeypatch.setattr(xla, "flow", watched)
    jpegjax.encode(PICTURES[0], tune="psnr", engine="xla", device=ONE)
    assert len(waited) == 2


def test_segments_of_a_page_divide_it() -> None:
    case = Case(1, "usual")
    with pytest.raises(ValueError, match="page=4: must divide 6 segments"):
        trellis_ac(case.x, case.table, case.field, case.steps, case.weights, case.bands, case.rates, page=4)


PICTURES = [
    slopes(61, 83, seed=1),
    slopes(128, 97, seed=2),
    np.ascontiguousarray(slopes(37, 50, seed=3)[..., 0]),
    slopes(3, 5, seed=4),
    slopes(16, 2, seed=5),
    np.where(np.add.outer(np.arange(61) % 12, np.arange(83) ** 2 % 17)[..., None] < 4, np.uint8([0, 20, 160]), 255),
]
ONE = jax.devices("cpu")[0]


@pytest.mark.parametrize(
    ("tune", "options"),
    [
        ("psnr", {}),
        pytest.param("psnr", {"subsampling": "4:2:2", "progressive": False}, marks=pytest.mark.slow),
        ("ssimulacra2", {"quality": (80, 60)}),
        pytest.param("ms-ssim", {"progressive": True, "quality": 40}, marks=pytest.mark.slow),
        (True, {"quality": 95, "arithmetic": True}),
        pytest.param(True, {"subsampling": "4:4:4", "progressive": True}, marks=pytest.mark.slow),
        pytest.param("ssimulacra2", {"subsampling": "2x1,1x1,1x2", "restart_rows": 1}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_both_engines_write_the_same_files(tune, options) -> None:
    host = jpegjax.encode(PICTURES, tune=tune, engine="host", **options)
    assert jpegjax.encode(PICTURES, tune=tune, engine="xla", device=ONE, **options) == host


def test_first_passes_look_at_the_same_rows_on_both_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "pass_share", lambda frame: 3)
    host = jpegjax.encode(PICTURES, tune="psnr", engine="host")
    assert jpegjax.encode(PICTURES, tune="psnr", engine="xla", device=ONE) == host
    monkeypatch.undo()
    assert jpegjax.encode(PICTURES, tune="psnr", engine="host") != host


def test_files_do_not_depend_on_devices_or_on_what_is_encoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [np.roll(PICTURES[i % 2], i, 1) for i in range(16)]
    host = jpegjax.encode(images, tune="ssimulacra2", engine="host")
    monkeypatch.setitem(xla._PIXELS, "cpu", 1 << 20)
    assert len(jax.devices()) == 8
    images[0] = jax.device_put(images[0])
    assert jpegjax.encode(images, tune="ssimulacra2", engine="xla") == host  # two pictures a device
    assert jpegjax.encode(images[:1], tune="ssimulacra2", engine="xla") == host[:1]


@pytest.mark.parametrize("devices", [1, 8])
def test_a_batch_on_devices_stays_there(devices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pixels are never fetched: the odd sides are filled up, and the last part's missing pictures, where they lie."""
    batch = np.stack([slopes(45, 70, seed=i) for i in range(11)])
    host = jpegjax.encode(batch, tune="psnr", subsampling="4:2:0", engine="host")
    monkeypatch.setattr(xla._Group, "_pixels", lambda self: pytest.fail("the pixels came to the host"))
    device = ONE if devices == 1 else None
    assert jpegjax.encode(jax.device_put(batch), tune="psnr", subsampling="4:2:0", engine="xla", device=device) == host
    grey = batch[..., :1]
    host = jpegjax.encode(grey, tune="psnr", engine="host")
    assert jpegjax.encode(jax.device_put(grey), tune="psnr", engine="xla", device=device) == host


def test_programs_do_not_depend_on_pictures_or_qualities(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def recorded(*arguments):
        found = mapped(*arguments)
        compiled.append(found.run)
        return found

    mapped = xla.mapped
    monkeypatch.setattr(xla, "mapped", recorded)
    mapped.cache_clear()
    for i, quality in enumerate((30, 75, 92)):
        for side in (40, 70, 110):
            image = slopes(side, 120 - i, seed=i)
            jpegjax.encode(image, quality=quality, tune="ssimulacra2", subsampling="4:2:0", engine="xla", device=ONE)
    runs = {id(run): run for run in compiled}
    # quantisation stands there twice, for rates from the host and from the pass before; it is compiled once
    assert sum(run._cache_size() for run in runs.values()) == 4


def test_cmyk_is_refused_by_both_engines() -> None:
    for engine in ("host", "xla"):
        with pytest.raises(ValueError, match="only grey and RGB"):
            jpegjax.encode(np.zeros((8, 8, 4), np.uint8), mode="CMYK", tune=True, engine=engine)
