"""Batches larger than a device's memory are cut, with the same bytes; memory that ends all the same is named, with a remedy."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise, ripples

import jpegjax
from jpegjax.api.inputs import as_images
from jpegjax.errors import DeviceMemoryError
from jpegjax.jpeg import codec
from jpegjax.jpeg.device import entropy, jobs, resident
from jpegjax.jpeg.device.pages import PLENTY, Item, page_sizes
from jpegjax.jpeg.tuned import device as tuned
from jpegjax.jpeg.tuned import refine
from jpegjax.jpeg.tuned.plan import Plan, tuned_frame
from jpegjax.jpeg.tuned.recipe import load_recipe
from jpegjax.ops.bits.packing import MAX_BITS, MAX_BLOCK_BITS
from jpegjax.options import DecodeOptions, EncodeOptions
from jpegjax.run import capacity
from jpegjax.run.capacity import IN_FLIGHT, memory_named, room, shaped, taken
from jpegjax.run.flow import Job, flow
from jpegjax.run.mesh import Mapped, mapped

DEVICES = tuple(jax.devices("cpu"))
FIRST = DEVICES[0]
SHAPE = 24, 40
PICTURES = [
    np.squeeze((noise if i % 2 else ripples)(*SHAPE, 1).astype(np.uint8) // (i + 1), -1) for i in range(4)
]  # one program a size, compiled in less than a second
OPTIONS = EncodeOptions()


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """limited(n): devices say that each batch in flight has n bytes. limited(None): they say nothing."""

    def limit(each: int | None, used: int = 5) -> None:
        found = None if each is None else {"bytes_limit": used + IN_FLIGHT * each, "bytes_in_use": used}
        monkeypatch.setattr(capacity, "_statistics", lambda device: found)

    yield limit


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(program, bytes that it takes by the compiler's count) of all that run."""
    found: list[tuple[str, int]] = []

    def watching(function: Any, *key: Any, **more: Any) -> Mapped:
        made = mapped(function, *key, **more)

        def run(*args: Any) -> Any:
            found.append((function.__name__, taken(made.run, *args)))
            return made.run(*args)

        run.lower = made.run.lower  # type: ignore[attr-defined]
        return Mapped(run, made.sharding)

    for module in (entropy, resident, tuned):
        monkeypatch.setattr(module, "mapped", watching)
    return found


def plans(images: Any) -> list[Any]:
    return [codec.plan(images[0].shape, OPTIONS)] * len(images)


def encoded(images: Any, on_device: bool) -> list[bytes]:
    """Files of a batch on the first device, coded there or on the host."""
    batch = jax.device_put(np.stack(images), FIRST)
    return codec.encode_planned(batch, plans(images), OPTIONS, "xla", FIRST, on_device=on_device)


def sizes(dispatched: list[tuple[str, int]], name: str) -> list[int]:
    return [nbytes for program, nbytes in dispatched if program == name]


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 8))
def test_dispatches_hold_their_share_on_every_device(count: int, share: int, devices: int) -> None:
    cuts = list(resident._cuts(count, share, DEVICES[:devices]))
    assert sum(size for size, _ in cuts) == count
    assert all(size % len(used) == 0 and 1 <= size // len(used) <= share for size, used in cuts)
    assert len({(size, used) for size, used in cuts}) <= 3


def test_accelerators_code_several_pages_at_once() -> None:
    items = [Item(i, *codec.plan((512, 768, 3), OPTIONS)) for i in range(100)]
    cuts = [resident.chunks(items, DEVICES[:1], lambda size, used: 0, pages=pages) for pages in (1, 4)]
    assert [len(cut[0][0]) for cut in cuts if cut] == [4096 // 1536, 4 * 4096 // 1536]
    assert entropy._pages("cpu") == 1 and entropy._pages("gpu") == entropy._pages("tpu") > 1
    assert entropy._pages("gpu") * page_sizes("gpu")[-1] * 10 * MAX_BLOCK_BITS <= MAX_BITS


def test_room_is_shared_by_batches_in_flight(limited: Callable[..., None]) -> None:
    limited(1000)
    assert room(DEVICES) == 1000
    assert room(DEVICES, 3 * 400) == 600 and room(DEVICES, 1 << 40) == 0
    limited(None)
    assert room(DEVICES) is None and FIRST.memory_stats() is None


@pytest.mark.parametrize("on_device", [True, False])
def test_batches_are_cut_to_memory_with_the_same_bytes(
    on_device: bool, limited: Callable[..., None], dispatched: list[tuple[str, int]]
) -> None:
    first = "_blocks" if on_device else "_encode"
    wanted = codec.encode_planned(PICTURES, plans(PICTURES), OPTIONS, "host", None)
    assert encoded(PICTURES, on_device) == wanted
    (whole,) = sizes(dispatched, first)
    coding = entropy.NBYTES * on_device * len(PICTURES) * PICTURES[0].size
    dispatched.clear()
    limited(max(whole, coding))
    assert encoded(PICTURES, on_device) == wanted
    assert sizes(dispatched, first) == [whole]
    dispatched.clear()
    limited(max(whole, coding) - 1)
    assert encoded(PICTURES, on_device) == wanted
    assert len(sizes(dispatched, first)) == 2
    assert all(nbytes < max(whole, coding) for _, nbytes in dispatched)


def test_pictures_too_large_for_memory_go_another_way(
    limited: Callable[..., None], dispatched: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = codec.encode_planned(PICTURES, plans(PICTURES), OPTIONS, "host", None)
    pages: list[int] = []
    buffers = jobs.Encode.buffers
    monkeypatch.setattr(jobs.Encode, "buffers", lambda self, size: pages.append(size) or buffers(self, size))
    monkeypatch.setattr(jobs, "page_sizes", lambda platform: (16, 64, 128))
    monkeypatch.setattr(jobs, "SEGMENT", 16)
    monkeypatch.setattr("jpegjax.jpeg.device.pages.SEGMENT", 16)
    monkeypatch.setattr("jpegjax.jpeg.device.programs.SEGMENT", 16)
    limited(1)
    assert encoded(PICTURES, True) == wanted
    assert not dispatched and pages[-1] == 16


def test_decoded_batches_are_cut_for_what_stays(
    limited: Callable[..., None], dispatched: list[tuple[str, int]]
) -> None:
    files = codec.encode_planned(PICTURES, plans(PICTURES), OPTIONS, "host", None)
    wanted = [pixels for pixels, _ in codec.decode_on_host(files, DecodeOptions())]

    def check() -> None:
        found = [pixels for pixels, _ in codec.decode(files, DecodeOptions(), "xla", FIRST)]
        assert all(isinstance(x, jax.Array) and x.devices() == {FIRST} for x in found)
        assert all(map(np.array_equal, found, wanted))

    check()
    ((_, whole),) = dispatched
    stay = sum(x.size for x in wanted)
    dispatched.clear()
    limited(whole + stay // IN_FLIGHT + 1)
    check()
    assert len(dispatched) == 1
    dispatched.clear()
    limited(whole)
    check()
    assert len(dispatched) == 2
    dispatched.clear()
    limited(1)
    check()
    assert not dispatched  # page by page, and then put there


def test_coding_takes_what_is_counted_for_it(dispatched: list[tuple[str, int]]) -> None:
    pictures = np.stack([noise(64, 96, 1), ripples(64, 96, 1)]).astype(np.uint8)[..., 0]
    options = EncodeOptions(quality=100, optimize=True)
    plan = codec.plan(pictures[0].shape, options)
    codec.encode_planned(jax.device_put(pictures, FIRST), [plan] * 2, options, "xla", FIRST, on_device=True)
    assert {name for name, _ in dispatched} == {"_blocks", "_counts", "_lengths", "_data", "_beginning"}
    assert max(nbytes for name, nbytes in dispatched if name != "_blocks") <= entropy.NBYTES * pictures.size
    assert sizes(dispatched, "_blocks")[0] <= PLENTY * pictures.size


def grouped(pictures: int, side: int) -> list[int]:
    """Tuned pictures a device of each group."""
    recipe = load_recipe("all", 75)
    frame = tuned_frame(side, side, 3, recipe, EncodeOptions(tune=True))
    items = [tuned._Item(i, np.zeros((side, side, 3), np.uint8), Plan(frame, recipe)) for i in range(pictures)]
    return [group.count for group in tuned._grouped(items, DEVICES[:1])]


def test_tuned_groups_are_cut_to_memory(limited: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "_PIXELS", {"cpu": 1 << 24})
    side, each = 256, tuned._NBYTES * 256 * 256
    found = []
    for many in (None, 3 * each, each, 1):
        limited(many)
        found.append(grouped(5, side))
    assert found == [[4, 1], [2, 2, 1], [1] * 5, [1] * 5]


@pytest.mark.slow
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_tuned_pictures_take_what_is_counted_for_them(subsampling: str, dispatched: list[tuple[str, int]]) -> None:
    pictures = [f(256, 256, 3).astype(np.uint8) for f in (ripples, noise)]
    for quality in (30, 100):
        jpegjax.encode(pictures, tune=True, quality=quality, subsampling=subsampling, engine="xla", device=FIRST)
    assert {name for name, _ in dispatched} == {"transform", "quantise", "next_rates"}
    assert max(nbytes for _, nbytes in dispatched) <= tuned._NBYTES * pictures[0][..., 0].size


TEXTS = {
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 34359738368 bytes.": 34359738368,
    "RESOURCE_EXHAUSTED: Failed to allocate request for 16.00GiB (17179869184B) on device ordinal 0": 17179869184,
    "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 20.48G of 15.48G hbm.\nmore": None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_memory_that_ends_is_named(text: str) -> None:
    with pytest.raises(DeviceMemoryError) as caught, memory_named(DEVICES[:1]):
        raise jax.errors.JaxRuntimeError(text)
    error = caught.value
    told = f"{TEXTS[text] / 1e6:,.1f} MB" if TEXTS[text] else "Used 20.48G of 15.48G hbm"
    for part in (str(FIRST), told, "fewer or smaller pictures", "more devices (device=)", 'engine="host"'):
        assert part in str(error)
    assert error.nbytes == TEXTS[text] and isinstance(error, MemoryError) and "\n" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DeviceMemoryError and (str(again), again.nbytes) == (str(error), error.nbytes)


def test_what_xla_itself_raises_inside_a_flow_is_named() -> None:
    def job() -> Job[int]:
        yield jnp.zeros(1 << 46, jnp.uint8)
        return [1]

    with pytest.raises(DeviceMemoryError, match=r"one of 8 devices from .*no room for 70,368,744\.2 MB more"):
        list(flow([job()], DEVICES))


def test_other_errors_stay_as_they_are() -> None:
    for error in (jax.errors.JaxRuntimeError("INTERNAL: no"), RuntimeError("RESOURCE_EXHAUSTED, but not XLA's")):
        with pytest.raises(RuntimeError) as caught, memory_named(DEVICES):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("errors", ["raise", "return"])
def test_doors_raise_it_for_the_batch(errors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*args: Any) -> Any:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 12345678 bytes.")

    files = codec.encode_planned(PICTURES, plans(PICTURES), OPTIONS, "host", None)
    monkeypatch.setattr(resident, "mapped", lambda *args, **more: Mapped(exhausted, mapped(*args, **more).sharding))
    monkeypatch.setattr(refine, "slopes", exhausted)
    for call in (
        lambda: jpegjax.encode(PICTURES, tune="psnr", refine=1, device=FIRST, errors=errors),
        lambda: jpegjax.encode(jax.device_put(np.stack(PICTURES)[..., None], FIRST), engine="xla", errors=errors),
        lambda: jpegjax.decode(files, device=FIRST, errors=errors),
    ):
        with pytest.raises(DeviceMemoryError, match=r"no room for 12\.3 MB more"):
            call()


class Run:
    """x ↦ [x, x] by a compiler that answers, when it is asked for memory, with a call's result."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.memory_analysis = answer

    def __call__(self, x: Any) -> Any:
        return [x, x]

    def lower(self, *shapes: Any) -> Run:
        return self

    def compile(self) -> Run:
        return self


def refuse(error: Exception) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def test_compilers_that_refuse_or_do_not_count() -> None:
    mesh = jax.sharding.NamedSharding(jax.make_mesh((8,), ("d",), devices=DEVICES), jax.P("d"))
    x = shaped((8, 5), np.int16, mesh)
    exhausted = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm.")
    assert taken(Run(refuse(exhausted)), x) == capacity.OVERFULL
    for silent in (refuse(NotImplementedError("no")), lambda: None):
        assert taken(Run(silent), x) == capacity.UNCOUNTED * 3 * 10
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        taken(Run(refuse(jax.errors.JaxRuntimeError("INTERNAL: no"))), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_on_a_device_stays_one_array(channels: int) -> None:
    batch = jax.device_put(np.stack([noise(24, 40, channels), ripples(24, 40, channels)]).astype(np.uint8), FIRST)
    found, single = as_images(batch, OPTIONS)
    assert isinstance(found, jax.Array) and found.shape == batch.shape[: 3 if channels == 1 else 4] and not single
    wanted = jpegjax.encode(list(np.asarray(batch)), engine="host")
    for engine in ("host", "xla")[: 2 if channels == 1 else 1]:
        assert jpegjax.encode(batch, engine=engine) == wanted
    grey = jpegjax.encode(list(np.asarray(batch)), color="grey", engine="host")
    assert jpegjax.encode(batch, color="grey", engine="host") == grey


def test_a_batch_whose_images_are_wrong_fails_as_a_list_does() -> None:
    found = jpegjax.encode(jnp.zeros((2, 8, 8, 4), jnp.uint8), errors="return")
    assert len(found) == 2
    for i, error in enumerate(found):
        assert isinstance(error, ValueError) and f"images[{i}]" in str(error)
    assert jpegjax.encode(jnp.zeros((0, 8, 8, 3), jnp.uint8)) == []
