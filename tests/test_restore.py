"""Restoration at the doors: files, coefficients and pixels through the network, whatever their size, sampling and number."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from behind_files import segment, with_segments
from command_line import Run, opened
from effort import LIMIT, spent
from oracles import psnr
from pictures import astronaut, deep_picture, ripples, waves

import jpegjax
from jpegjax import codecs, learned
from jpegjax.learned.restoring import run as running
from jpegjax.learned.restoring import weights
from jpegjax.learned.restoring.model import Restorer
from jpegjax.ops.color import FORWARD
from jpegjax.report import compare
from jpegjax.run import windows

SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0")
IMAGE = astronaut()[20:53, 150:207]
MIDDLE = (astronaut()[90:138, 200:264] * np.float32(110 / 255) + 70).astype(np.uint8)
"""Colours that nothing clips."""
DATA = jpegjax.encode(IMAGE, quality=20)
GREY = jpegjax.encode(IMAGE[..., 1], quality=20)
MARKED = jpegjax.encode(IMAGE, quality=20, tune="restored")
TIFF = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
TURNED = with_segments(DATA, segment(0xE1, b"Exif\0\0" + TIFF))


def steps_away(change: np.ndarray, table: np.ndarray) -> float:
    """How many steps of its table a change of samples [H, W] moves a coefficient at most, in float64."""
    k, x = np.mgrid[:8, :8]
    basis = np.sqrt(np.where(k == 0, 1, 2) / 8) * np.cos(np.pi * (2 * x + 1) * k / 16)
    h, w = change.shape
    tiles = change.reshape(h // 8, 8, w // 8, 8).transpose(0, 2, 1, 3)
    return float(np.abs(basis @ tiles @ basis.T / table.reshape(8, 8)).max())


# ---- what it gives


@pytest.mark.parametrize("data", [DATA, GREY], ids=["colour", "grey"])
def test_files_coefficients_and_pixels_are_restored_alike(data: bytes) -> None:
    """The same of coefficients; of rounded pixels nearly; nearer to the picture than plain pixels are."""
    plain, shown = jpegjax.decode(data), jpegjax.decode(data, restore=True)
    original = IMAGE if data is DATA else IMAGE[..., 1]
    assert shown.dtype == np.uint8 and shown.shape == plain.shape
    assert psnr(original, shown) > psnr(original, plain) + 0.2
    np.testing.assert_array_equal(jpegjax.restore(jpegjax.read_coefficients(data)), shown)
    for engine in ("host", "xla"):
        np.testing.assert_array_equal(jpegjax.decode(data, restore=True, engine=engine), shown)


@pytest.mark.parametrize("grey", [False, True])
def test_pixels_with_tables_are_nearly_as_coefficients(grey: bool) -> None:
    """What decoders round, twice in colour, moves pixels by a few levels; what they clip is lost, here nothing."""
    image = MIDDLE[..., 1] if grey else MIDDLE
    data = jpegjax.encode(image, quality=20)
    plain, shown = jpegjax.decode(data), jpegjax.decode(data, restore=True)
    tables = np.stack([q for q in jpegjax.info(data).qtables if q is not None])
    of_pixels = jpegjax.restore(plain, qtables=tables)
    difference = np.abs(of_pixels.astype(int) - shown)
    assert difference.max() <= 4 and difference.mean() < 0.6
    np.testing.assert_array_equal(jpegjax.restore(plain, quality=20), of_pixels)
    np.testing.assert_array_equal(jpegjax.restore(jnp.asarray(plain), quality=20), of_pixels)


def test_batches_over_devices_are_as_one_by_one() -> None:
    """Eleven files of many sizes and samplings, grey among them, on eight devices."""
    sizes = [(1, 1), (7, 9), (17, 33), (33, 17), (64, 64), (8, 8)]
    files = [jpegjax.encode(ripples(h, w), quality=30) for h, w in sizes[:5]]
    files += [jpegjax.encode(waves(31, 47), quality=30, subsampling=name) for name in SAMPLINGS]
    files += [GREY]
    assert len(jax.local_devices()) == 8
    together = jpegjax.decode(files, restore=True)
    for data, shown in zip(files, together, strict=True):
        alone = jpegjax.decode(data, restore=True)
        assert alone.shape == jpegjax.decode(data).shape
        assert np.abs(alone.astype(int) - shown).max() <= 1
        assert psnr(jpegjax.decode(data), alone) > 20
    placed = jpegjax.decode(files[0], restore=True, device="cpu")
    assert isinstance(placed, jax.Array) and len(placed.devices()) == 1
    np.testing.assert_array_equal(placed, jpegjax.decode(files[0], restore=True))


def test_batches_of_coefficients_and_of_pixels() -> None:
    both = [jpegjax.read_coefficients(jpegjax.encode(waves(24, 40, seed), quality=30)) for seed in range(2)]
    stacked: Any = jax.tree.map(lambda a, b: np.concatenate([a, b]) if a.ndim == 5 else a, *both)
    one, two = jpegjax.restore(both)
    for shown in (jpegjax.restore(stacked), jpegjax.restore([stacked])):
        assert isinstance(shown, list) and len(shown) == 2
        assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(shown, (one, two), strict=True))
    pixels = np.stack([waves(24, 40, seed) for seed in range(2)])
    assert [p.shape for p in jpegjax.restore(pixels, quality=50)] == [(24, 40, 3)] * 2


def test_windows_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of several windows equals one of one."""
    data = jpegjax.encode(waves(40, 270)[..., 0], quality=15)
    whole = jpegjax.decode(data, restore=True, dtype="float32")
    monkeypatch.setattr(windows, "WINDOW", 192)
    monkeypatch.setattr(running, "WINDOW_PIXELS", 192 * 64)
    assert len(windows.windows(64, 384, running.ALIGN, Restorer.margin)) == 4
    parts = jpegjax.decode(data, restore=True, dtype="float32")
    assert whole.shape == (40, 270)
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-3)


@pytest.mark.parametrize("sampling", [(1, 1), (2, 2), (2, 4)])
def test_changes_are_held_to_cells(sampling: tuple[int, int]) -> None:
    """Changes of several steps end at their cells' ends, of means over what a sample stands for; small ones stay."""
    down, across = sampling
    random = np.random.default_rng(0)
    planes, tables = random.uniform(-99, 99, (1, 32, 64, 2)), random.integers(1, 60, (1, 2, 64))
    held = jax.jit(lambda shown: running._held(shown, jnp.float32(planes), jnp.float32(tables), sampling))
    for size, least in ((200, 0.4999), (0.1, 0)):
        shown = (planes + random.normal(0, size, planes.shape)).astype(np.float32)
        kept = np.float64(held(shown))
        means = (kept - planes)[0].reshape(32 // down, down, 64 // across, across, 2).mean((1, 3))
        away = [steps_away(means[..., c], tables[0, c]) for c in range(2)]
        assert all(least <= one < 0.5005 for one in away), away
        inner = kept - shown  # what was taken back is the same over what a sample stands for
        means = inner[0].reshape(32 // down, down, 64 // across, across, 2)
        assert np.ptp(means, (1, 3)).max() < 1e-3 and (np.abs(inner).max() > 10) == (size == 200)


def test_consistent_pictures_stay_in_their_cells() -> None:
    """Luma's coefficients of the picture shown, in float64; of chroma the change of means over what a sample stands for."""
    data = jpegjax.encode(MIDDLE, quality=15)
    plain, held = (
        jpegjax.decode(data, dtype="float32", restore=restore).astype(np.float64) @ np.float64(FORWARD).T
        for restore in (False, "consistent")
    )
    tables = [np.asarray(q, float) for q in jpegjax.read_coefficients(data).qtables]
    assert 0.1 < steps_away(held[..., 0] - plain[..., 0], tables[0]) < 0.5005
    means = [x.reshape(24, 2, 32, 2, 3).mean((1, 3)) for x in (plain, held)]
    for c in (1, 2):
        assert steps_away((means[1] - means[0])[..., c], tables[c]) < 0.501
    assert psnr(MIDDLE, jpegjax.decode(data, restore="consistent", dtype="float32")) > psnr(
        MIDDLE, jpegjax.decode(data)
    )


def test_kinds_of_pixels() -> None:
    floats = jpegjax.decode(GREY, restore=True, dtype="float32")
    deep, bytes_ = (jpegjax.decode(GREY, restore=True, dtype=d) for d in (np.uint16, np.uint8))
    assert (floats.dtype, deep.dtype, bytes_.dtype) == (np.float32, np.uint16, np.uint8)
    assert np.abs(deep - floats * 257).max() <= 1 and np.abs(bytes_ - floats).max() < 0.501
    np.testing.assert_array_equal(jpegjax.restore(jpegjax.read_coefficients(GREY), dtype="uint16"), deep)


# ---- options of decode


def test_modes_regions_and_turns() -> None:
    shown, grey = (jpegjax.decode(data, restore=True) for data in (DATA, GREY))
    luma = jpegjax.decode(DATA, restore=True, mode="L")
    assert luma.shape == IMAGE.shape[:2] and np.abs(luma - shown @ FORWARD[0]).mean() < 1
    np.testing.assert_array_equal(jpegjax.decode(GREY, restore=True, mode="RGB"), grey[..., None].repeat(3, 2))
    part = jpegjax.decode(DATA, restore=True, crop=(5, 3, 20, 11))
    np.testing.assert_array_equal(part, shown[3:14, 5:25])
    assert part.base is None
    upright = jpegjax.decode(TURNED, restore=True, apply_exif_orientation=True)
    np.testing.assert_array_equal(upright, np.rot90(shown, 3))
    part = jpegjax.decode(TURNED, restore=True, apply_exif_orientation=True, crop=(5, 3, 20, 11))
    np.testing.assert_array_equal(part, upright[3:14, 5:25])
    np.testing.assert_array_equal(jpegjax.decode(GREY + DATA, restore=True, picture=1), shown)
    np.testing.assert_array_equal(jpegjax.imread(DATA, restore=True), shown)


def test_auto_restores_what_is_marked() -> None:
    assert jpegjax.info(MARKED).marked and not jpegjax.info(DATA).marked
    np.testing.assert_array_equal(jpegjax.decode(MARKED, restore="auto"), jpegjax.decode(MARKED, restore=True))
    both = jpegjax.decode([DATA, MARKED], restore="auto")
    np.testing.assert_array_equal(both[0], jpegjax.decode(DATA))
    np.testing.assert_array_equal(both[1], jpegjax.decode(MARKED, restore=True))
    lossless = jpegjax.encode(IMAGE, lossless=True)
    for restore in (True, "auto", "consistent"):
        np.testing.assert_array_equal(jpegjax.decode(lossless, restore=restore), IMAGE)
    inks = with_segments(
        jpegjax.encode(np.dstack([IMAGE, IMAGE[..., :1]]), mode="CMYK"), segment(0xEA, b"jpegjax\0\1\0")
    )
    np.testing.assert_array_equal(jpegjax.decode(inks, restore="auto"), jpegjax.decode(inks))


def test_transcoding_carries_the_mark_unless_told_otherwise() -> None:
    for options in ({}, {"rotate": 90, "trim": True}, {"progressive": True, "strip": ("comments", "exif")}):
        assert jpegjax.info(jpegjax.transcode(MARKED, **options)).marked, options
    for keep in ("none", ("exif", "icc")):
        assert not jpegjax.info(jpegjax.transcode(MARKED, keep=keep)).marked, keep
    turned = jpegjax.decode(jpegjax.transcode(MARKED, progressive=True), restore="auto")
    np.testing.assert_array_equal(turned, jpegjax.decode(MARKED, restore=True))


# ---- what goes wrong


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (jpegjax.encode(np.dstack([IMAGE, IMAGE[..., :1]]), mode="CMYK"), "only 8-bit grey, and YCbCr"),
        (jpegjax.encode(deep_picture(16, 16), precision=12), "only 8-bit grey, and YCbCr"),
        (jpegjax.encode(IMAGE, color="RGB", subsampling="4:4:4"), "only 8-bit grey, and YCbCr"),
    ],
    ids=["inks", "12 bits", "RGB"],
)
def test_other_files_are_refused(data: bytes, message: str) -> None:
    for restore in (True, "consistent"):
        with pytest.raises(jpegjax.UnsupportedJpeg, match=f"{message}.*can be restored"):
            jpegjax.decode(data, restore=restore)
    found = jpegjax.decode([DATA, data], restore=True, errors="return")
    assert isinstance(found[1], jpegjax.UnsupportedJpeg) and not isinstance(found[0], Exception)
    with pytest.raises(ValueError, match=r"images\[1\]: only 8-bit grey"):
        jpegjax.restore([jpegjax.read_coefficients(x) for x in (DATA, data)])


def test_damage_warns_as_ever() -> None:
    cut = DATA[:-60]
    with pytest.warns(jpegjax.JpegWarning) as plain:
        jpegjax.decode(cut, dtype="float32")
    with pytest.warns(jpegjax.JpegWarning) as caught:
        shown = jpegjax.decode(cut, restore=True)
    assert [str(w.message) for w in caught] == [str(w.message) for w in plain] and shown.shape == IMAGE.shape
    with pytest.raises(jpegjax.CorruptJpeg, match="byte offset"):
        jpegjax.decode(cut, restore=True, strict=True)
    with pytest.raises(jpegjax.CorruptJpeg, match="SOI"):
        jpegjax.decode(b"GIF89a", restore=True)
    with pytest.raises(ValueError, match="does not fit in the picture of 57×33"):
        jpegjax.decode(DATA, restore=True, crop=(40, 0, 20, 20))


def test_limits_hold() -> None:
    with pytest.raises(jpegjax.LimitExceeded, match="57×33"):
        jpegjax.decode(DATA, restore=True, limits=jpegjax.Limits(pixels=1000))
    with pytest.raises(jpegjax.LimitExceeded, match="memory"):
        jpegjax.decode(DATA, restore=True, limits=jpegjax.Limits(memory=10_000))
    claim = bytearray(jpegjax.encode(np.zeros((8, 8), np.uint8)))
    at = claim.index(b"\xff\xc0") + 5
    for height, width in ((62_994, 65_284), (16_000, 16_000)):
        claim[at : at + 4] = struct.pack(">HH", height, width)

        def refused(data: bytes = bytes(claim)) -> None:
            with pytest.raises(jpegjax.LimitExceeded):
                jpegjax.decode(data, restore=True)

        assert spent(refused) < LIMIT


@pytest.mark.parametrize(
    ("images", "options", "kind", "message"),
    [
        (IMAGE, {}, ValueError, "qtables, quality: pixels need the tables of their file: give one of the two"),
        (IMAGE, {"quality": 50, "qtables": np.ones((8, 8), int)}, ValueError, "give one of the two"),
        (IMAGE, {"quality": 0}, ValueError, r"quality=0: must be 1\.\.100"),
        (IMAGE, {"qtables": np.ones((8, 9), int)}, ValueError, r"qtables: int64 \(8, 9\); must be integers"),
        (IMAGE, {"qtables": np.ones((8, 8))}, ValueError, r"qtables: float64"),
        (IMAGE, {"qtables": np.zeros((8, 8), int)}, ValueError, r"qtables: steps 0\.\.0; must be 1\.\.65535"),
        (IMAGE.astype(np.int32), {"quality": 50}, TypeError, "images: dtype int32; must be uint8 or floating"),
        ([IMAGE, IMAGE[..., :2]], {"quality": 50}, ValueError, r"images\[1\]: shape \(33, 57, 2\)"),
        (IMAGE, {"quality": 50, "subsampling": "4:3:2"}, ValueError, "subsampling='4:3:2'"),
        (IMAGE, {"quality": 50, "consistent": 1}, TypeError, "consistent=1"),
        (IMAGE, {"quality": 50, "dtype": "int8"}, ValueError, "dtype='int8'"),
        (IMAGE, {"quality": 50, "model": "nobody"}, ValueError, r"model='nobody': must be one of blind, or a path"),
        ("photo.jpg", {"quality": 50}, TypeError, "images"),
    ],
)
def test_restore_names_what_is_wrong(images: Any, options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        jpegjax.restore(images, **options)


# ---- weights


def test_weights_as_files(tmp_path: Path) -> None:
    """Written and read back to what float16 holds; others are refused by name."""
    from flax import nnx

    model = weights.trainable(weights.file_of(weights.DEFAULT))
    path = tmp_path / "own.npz"
    weights.write(path, "own", model)
    again = weights.load(path)
    assert again.name == "own"
    pairs = zip(*(jax.tree.leaves(s) for s in (nnx.state(model, nnx.Param), again.state)), strict=True)
    for before, after in pairs:
        np.testing.assert_array_equal(np.asarray(before).astype(np.float16), np.asarray(after).astype(np.float16))

    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    about = json.loads(arrays["about"].tobytes())

    def refused(message: str, **changed: Any) -> None:
        given = {name: value for name, value in (arrays | changed).items() if value is not None}
        np.savez(path, **given)
        with pytest.raises(ValueError, match=message):
            weights.load(path)

    def told(**changed: Any) -> np.ndarray:
        return np.frombuffer(json.dumps(about | changed).encode(), np.uint8)

    refused("own.npz: not weights of a restoration network .they are of a learned", about=told(kind="learned"))
    refused("own.npz: weights of format 9; this library reads format 1", about=told(format=9))
    refused("own.npz: not weights of a restoration network", about=None)
    name = next(n for n in arrays if n != "about")
    refused(f"own.npz: {name} is not there; this model needs shape", **{name: None})
    refused(rf"own.npz: {name} is shape \(3,\)", **{name: np.zeros(3)})
    refused("own.npz: more: no such weights in this model", more=np.zeros(3))
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"own\.npz: not weights of a restoration network"):
        jpegjax.restore(IMAGE, quality=50, model=str(path))
    with pytest.raises(ValueError, match="not weights of a restoration network"):
        weights.load(next((Path(learned.__file__).parent / "models").glob("*.jxw")))
    model.luma[0].synthesis[...] = model.luma[0].synthesis[...] + np.inf
    with pytest.raises(ValueError, match="luma/0/synthesis: weights are not finite"):
        weights.write(path, "own", model)


# ---- the other doors


def test_the_codec_writes_what_jpeg_does_and_restores_it() -> None:
    codec, jpeg = codecs.get("jpeg+restore"), codecs.get("jpeg")
    assert codec.settings == jpeg.settings and codec.sweep == jpeg.sweep and codec.grid == jpeg.grid
    data = codec.encode(IMAGE, quality=20)
    assert data == jpeg.encode(IMAGE, quality=20) == DATA
    shown = jpegjax.decode(DATA, restore=True)
    np.testing.assert_array_equal(codec.decode(data), shown)
    assert np.abs(codec.decode_batch([data])[0].astype(int) - shown).max() <= 1


def test_comparisons_time_it_without_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is compiled in the call that is not timed, whatever tests before left compiled."""
    jax.clear_caches()
    compiled, calls = list[str](), list[int]()

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    whole = codecs.Codec.decode

    def decode(self: codecs.Codec, data: bytes) -> np.ndarray:
        before = len(compiled)
        pixels = whole(self, data)
        calls.append(len(compiled) - before)
        return pixels

    monkeypatch.setattr(codecs.Codec, "decode", decode)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        found = compare({"a": waves(20, 80)}, "jpeg+restore:quality=20,50", "psnr", jobs=1)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert calls[0] > 0 and calls[1:] == [0, 0]
    points = found.means()["jpeg+restore"]
    assert all(point["decode_seconds_per_mpixel"] > 0 for point in points) and points[0]["psnr"] < points[1]["psnr"]


def test_the_command_line(run: Run) -> None:
    for name, data in (
        ("plain.jpg", DATA),
        ("marked.jpg", MARKED),
        ("exact.jpg", jpegjax.encode(IMAGE, lossless=True)),
    ):
        Path(name).write_bytes(data)

    def pixels(words: tuple[str, ...], out: str = "a.png") -> tuple[np.ndarray, str]:
        done = run("decode", *words, "-o", out, "--overwrite")
        assert done.code == 0, done.err
        return np.load(out) if out.endswith(".npy") else np.asarray(opened(out)), done.err

    words: tuple[str, ...]
    restored = jpegjax.decode(DATA, restore=True)
    for words in (
        ("plain.jpg", "--restore"),
        ("--restore", "plain.jpg"),
        ("-restore", "plain.jpg"),
        ("plain.jpg", "--restore=yes"),
    ):
        np.testing.assert_array_equal(pixels(words)[0], restored)
    for words in (("plain.jpg", "--restore=auto"), ("--restore", "auto", "plain.jpg")):
        shown, said = pixels(words)
        np.testing.assert_array_equal(shown, jpegjax.decode(DATA))
        assert "not restored" in said
    shown, said = pixels(("marked.jpg", "--restore", "auto"))
    np.testing.assert_array_equal(shown, jpegjax.decode(MARKED, restore=True))
    assert "not restored" not in said
    assert "lossless: nothing to restore" in pixels(("exact.jpg", "--restore"))[1]
    Path("auto").write_bytes(DATA)  # a file of that name is a file
    assert run("decode", "--restore", "auto", "-o", "b.png", "--quiet").code == 0
    np.testing.assert_array_equal(np.asarray(opened("b.png")), restored)

    assert "marked: encoded for restoration" in run("info", "marked.jpg").out.decode()
    assert "marked" not in run("info", "plain.jpg").out.decode()
    assert [json.loads(run("info", "--json", f"{n}.jpg").out)["marked"] for n in ("plain", "marked")] == [False, True]
    run("encode", "b.png", "--codec", "dft", "-q", "50", "--quiet")
    refused = run("decode", "b.jxj", "--restore", "-o", "c.png")
    assert refused.code == 1 and "restore are for JPEG files" in refused.err and not Path("c.png").exists()
    inks = jpegjax.encode(np.dstack([IMAGE, IMAGE[..., :1]]), mode="CMYK")
    Path("inks.jpg").write_bytes(inks)
    refused = run("decode", "inks.jpg", "plain.jpg", "--restore", "-o", "out/")
    assert refused.code == 1 and "can be restored" in refused.err and Path("out/plain.png").exists()
