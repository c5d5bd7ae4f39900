"""Perceptrons on blocks: files of real bytes, decoded from these alone."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
from effort import LIMIT, spent
from flax import nnx
from pictures import astronaut, noise, waves

from jpegjax import CorruptStream, JpegError, LimitExceeded, Limits, UnsupportedJpeg, codecs, metrics
from jpegjax.container.box import read_box, write_box
from jpegjax.learned import compress
from jpegjax.learned.perceptron import levels, weights
from jpegjax.learned.perceptron.codec import PerceptronOptions, decode_all, encode_all, quality_step, read_levels
from jpegjax.learned.perceptron.network import MIDDLES, TRANSFERS, UNIT, Perceptron, PerceptronSize, hidden, shown
from jpegjax.learned.perceptron.streams import read_stream


def transform(n: int = 8, units: int = 64) -> weights.LoadedPerceptron:
    """The DCT as a linear network: what its files hold can be computed by other means."""
    basis = scipy.fft.idctn(np.eye(n * n).reshape(-1, n, n), axes=(1, 2), norm="ortho").reshape(n * n, n * n)[:units]
    model = Perceptron(PerceptronSize(n, units, mean=False), rngs=nnx.Rngs(0))
    model.encoder[...], model.decoder[...] = jnp.asarray(basis.T, jnp.float32), jnp.asarray(basis, jnp.float32)
    return weights.measured("dct", model, noise(64, n * n, 1)[..., 0])


def drawn(size: PerceptronSize, seed: int = 0) -> weights.LoadedPerceptron:
    """A network that was not trained."""
    model = Perceptron(size, rngs=nnx.Rngs(seed))
    return weights.measured(f"drawn{seed}", model, noise(64, size.samples, 1)[..., 0])


GREY = PerceptronOptions(quality=50)


@pytest.mark.parametrize("size", [(64, 96), (37, 51), (8, 8), (1, 1)])
def test_a_linear_network_is_the_transform_that_its_weights_are(size):
    """Levels and pixels against SciPy's DCT in float64, quantised as the codec's documentation says."""
    image, model = waves(*size)[..., 0], transform()
    (data,) = encode_all([image], GREY, model)
    height, width = size
    padded = np.pad(image.astype(float), ((0, -height % 8), (0, -width % 8)), mode="edge") - 128
    rows, columns = padded.shape[0] // 8, padded.shape[1] // 8
    blocks = padded.reshape(rows, 8, columns, 8).swapaxes(1, 2)
    found = scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho").reshape(rows, columns, 64)
    centre = UNIT * model.arrays["centre"].astype(float)
    step = quality_step(50)
    scaled = (found - centre) / step
    level = np.sign(scaled) * np.floor(np.abs(scaled) + 1 / 3)
    near = np.abs((np.abs(scaled) + 1 / 3) % 1 - 0.5) > 0.47  # weights of 16 bits may decide those otherwise
    (own,) = read_levels(data, [model])
    assert ((own == level) | near).all() and (own != level).mean() < 0.02
    above = np.array([0, 0.05, 0.09, 0.13])[np.minimum(np.abs(own), 3)]
    again = scipy.fft.idctn(
        (centre + (own + np.sign(own) * above) * step).reshape(rows, columns, 8, 8), axes=(2, 3), norm="ortho"
    )
    wanted = np.clip(again.swapaxes(1, 2).reshape(padded.shape)[:height, :width] + 128, 0, 255)
    (pixels,) = decode_all([data], [model])
    assert np.abs(pixels - wanted).max() < 1


def test_quality_is_a_step_in_grey_levels():
    assert [quality_step(q) for q in (1, 25, 50, 75, 100)] == pytest.approx([800, 32, 16, 8, 0.16])
    image, model = astronaut()[..., 1], transform()
    for quality in (30, 80):
        (data,) = encode_all([image], PerceptronOptions(quality=quality), model)
        error = float(metrics.psnr(image, decode_all([data], [model])[0]))
        # levels of 0 stand for four thirds of a step, of which errors are uniform at the worst
        assert error > 10 * np.log10(255**2 * 12 / (4 / 3 * quality_step(quality)) ** 2)


def _foreseen(plane, y, x):
    if y == 0 or x == 0:
        return plane[y][x - 1] if x else plane[y - 1][0] if y else 0
    a, b, c = plane[y][x - 1], plane[y - 1][x], plane[y - 1][x - 1]
    return sorted((a, b, a + b - c))[1]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 256), (5, 7, 64), (9, 1, 2), (1, 33, 3), (12, 10, 256)])
@pytest.mark.parametrize("spread", [0, 0.4, 3.0, 3e5])
def test_levels_come_back(shape, spread):
    random_ = np.random.default_rng(shape[2])
    found = np.clip(np.rint(random_.laplace(0, spread, shape)), -levels.MOST, levels.MOST).astype(np.int32)
    data = levels.encode_levels(found)
    np.testing.assert_array_equal(levels.decode_levels(data, 0, shape), found)
    if not found.any():
        assert len(data) <= 2 + 2 * len(list(levels._bands(shape[2])))
    with pytest.raises(CorruptStream, match="bytes behind"):
        levels.decode_levels(data + b"\0", 0, shape)


def test_the_first_unit_is_predicted_by_the_median():
    plane = np.random.default_rng(0).integers(-9, 9, (6, 7))
    out = np.empty((6, 7), np.int64)
    levels._differences(plane.astype(np.int64), out)
    rows = plane.tolist()
    assert out.tolist() == [[rows[y][x] - _foreseen(rows, y, x) for x in range(7)] for y in range(6)]


def test_bands_cover_all_units_once():
    for units in (1, 2, 3, 63, 64, 256):
        assert [i for start, stop in levels._bands(units) for i in range(start, stop)] == list(range(1, units))


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("output", TRANSFERS)
@pytest.mark.parametrize("f", TRANSFERS)
def test_the_network_against_numpy(f, output, mean):
    model = drawn(PerceptronSize(4, 7, f, output, mean))
    w = {k: v.astype(np.float64) for k, v in model.arrays.items()}
    x = np.random.default_rng(1).uniform(-1, 1, (5, 16))
    functions = {"linear": lambda z: z, "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    average = x.mean(1, keepdims=True) * mean
    a = functions[f]((x - average) @ w["encoder"] + w["encoder_bias"])
    y = functions[output]((a - MIDDLES[f]) @ w["decoder"] + w["decoder_bias"])
    y = average + (2 * y - 1 if output == "sigmoid" else y)
    own = hidden(model.size, w, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(own, np.concatenate([average, a], 1) if mean else a, atol=1e-6)
    np.testing.assert_allclose(shown(model.size, w, own), y, atol=1e-5)


@pytest.mark.parametrize("name", weights.available())
def test_shipped_networks_code_any_size_grey_and_colour(name):
    model = weights.named(name)
    pictures = [waves(40, 56), waves(40, 56)[..., 0], waves(1, 1), waves(3, 130), np.asarray(jnp.asarray(waves(17, 9)))]
    files = encode_all(pictures, PerceptronOptions(quality=60), model)
    for picture, data, pixels in zip(pictures, files, decode_all(files), strict=True):
        assert pixels.dtype == np.uint8 and pixels.shape == picture.shape
        assert encode_all([picture], PerceptronOptions(quality=60), model) == [data]
        header = read_stream(data)[0]
        assert (header.model, header.digest, header.size) == (name, model.digest, None)
        assert header.units <= model.size.units and header.halved == (picture.ndim == 3)


@pytest.mark.parametrize("name", weights.available())
def test_shipped_networks_come_near_the_klt(name):
    """The least squared error that the KLT of the very picture has with as many numbers a block, and what they lose to it."""
    model, picture = weights.named(name), astronaut()[..., 1]
    n = model.size.block
    x = picture.reshape(512 // n, n, 512 // n, n).swapaxes(1, 2).reshape(-1, n * n).astype(float)
    values = np.sort(np.linalg.eigvalsh(np.cov(x.T)))[::-1]
    w = {k: v.astype(np.float32) for k, v in model.arrays.items()}
    a = np.asarray(hidden(model.size, w, jnp.asarray((x - 128) / 128, jnp.float32)))
    for units in (u for u in (2, 4, 8, 16) if u < n * n):
        kept = np.where(np.arange(model.size.units) < units, a, w["centre"])
        again = np.asarray(shown(model.size, w, jnp.asarray(kept, jnp.float32))) * 128 + 128
        lost = 10 * np.log10(np.mean((again - x) ** 2) / (values[units:].sum() / n**2))
        assert -1e-3 < lost < (2.5 if name == "visual8" else 1.5), units


def test_more_units_and_bits_are_nearer_and_larger():
    image, model = astronaut()[:128, :128], transform()
    for name, values in (("units", (4, 16, 64)), ("bits", (4, 6, 8))):
        given = [PerceptronOptions(**{"bits": 8, name: value}) for value in values]
        files = [encode_all([image], options, model)[0] for options in given]
        scores = [float(metrics.psnr(image, decode_all([data], [model])[0])) for data in files]
        assert sorted(scores) == scores and sorted(map(len, files)) == list(map(len, files))
        for options, data in zip(given, files, strict=True):
            assert read_stream(data)[0].units <= (options.units or 64)
            most = max(int(abs(q).max()) for q in read_levels(data, [model]))
            assert most <= 2 ** (options.bits - 1) - 1


def test_weights_that_come_along_need_no_model():
    image, model = astronaut()[:96, :96], drawn(PerceptronSize(8, 20, "tanh"))
    shared, sent = (
        encode_all([image], PerceptronOptions(bits=6, units=12, weights=w), model)[0] for w in ("shared", "sent")
    )
    with pytest.raises(CorruptStream, match=r"of model drawn0 \(.{8}\), which is not here; here: "):
        decode_all([shared])
    (alone,), (told,) = decode_all([sent]), decode_all([shared], [model])
    assert np.abs(alone.astype(int) - told).max() <= 1
    header, payloads = read_stream(sent)
    assert header.size == PerceptronSize(8, header.units, "tanh")
    first = weights.unpacked(header.size, *payloads[0])
    assert set(first.arrays) == {"decoder", "decoder_bias", "centre", "reach", "grain"}
    assert len(sent) - len(shared) > 11 * 64 * 2 * 0.8  # sixteen bits a weight, and hardly compressible
    with pytest.raises(ValueError, match="model: has a decoder alone"):
        encode_all([image], GREY, first)


def test_a_batch_is_its_pictures_and_devices_do_not_matter():
    pictures, model = [waves(40, 56, seed) for seed in range(11)] + [noise(9, 9)], transform()
    files = encode_all(pictures, GREY, model)
    assert files == [encode_all([p], GREY, model)[0] for p in pictures]
    again = decode_all(files, [model])
    for data, pixels in zip(files, again, strict=True):
        np.testing.assert_array_equal(decode_all([data], [model])[0], pixels)
    assert encode_all([jax.device_put(pictures[0], jax.devices()[3])], GREY, model) == files[:1]
    assert encode_all([]) == [] and decode_all([]) == []


def test_weights_survive_their_file(tmp_path):
    model = drawn(PerceptronSize(4, 9, "sigmoid", "tanh"))
    weights.write(tmp_path / "m.jxw", model)
    again = weights.load(tmp_path / "m.jxw")
    assert (again.name, again.size, again.digest) == (model.name, model.size, model.digest)
    for name, value in model.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], value)
    assert drawn(model.size, 1).digest != model.digest
    (tmp_path / "bad.jxw").write_bytes((tmp_path / "m.jxw").read_bytes()[:-9])
    other = compress.pack({"about": np.frombuffer(b'{"kind":"restorer"}', np.uint8)})
    (tmp_path / "other.jxw").write_bytes(other)
    for name, message in (("bad", "checksum"), ("other", "restorer")):
        with pytest.raises(ValueError, match=rf"{name}\.jxw: not weights of a perceptron.*{message}"):
            weights.load(tmp_path / f"{name}.jxw")
    with pytest.raises(ValueError, match="decoder: weights are not finite"):
        weights.made("x", model.size, {**model.arrays, "decoder": model.arrays["decoder"] * np.float16(np.inf)})
    with pytest.raises(ValueError, match="grain: must be above 0"):
        weights.made("x", model.size, {**model.arrays, "grain": 0 * model.arrays["grain"]})
    with pytest.raises(ValueError, match="there are arrays"):
        weights.made("x", model.size, {"encoder": model.arrays["encoder"]})


def _sealed(body: bytes) -> bytes:
    return bytes(body) + zlib.crc32(body).to_bytes(4, "big")


def test_damaged_files_end_in_pixels_or_an_error():
    """Any change is found by the checksum; with the checksum made right again, it is a picture or a JpegError, soon."""
    model = drawn(PerceptronSize(4, 6, "tanh"))
    files = [
        encode_all([waves(40, 56)], PerceptronOptions(quality=70), model)[0],
        encode_all([waves(24, 16)[..., 0]], PerceptronOptions(bits=4, weights="sent"), model)[0],
    ]
    draw, outcomes = random.Random(5), Counter()

    def opened(data: bytes) -> object:
        try:
            return read_levels(data, [model], limits=Limits(pixels=1 << 16))
        except JpegError as error:
            return error

    for i in range(600):
        data = bytearray(files[i % 2])
        head = len(data) if i % 3 else 40
        for _ in range(draw.choice((1, 1, 2, 8))):
            at = draw.randrange(4, head - 4)
            data[at] = draw.choice((data[at] ^ 1 << draw.randrange(8), draw.randrange(256)))
        if draw.random() < 0.2:
            del data[draw.randrange(8, len(data)) :]
        if bytes(data) != files[i % 2]:
            with pytest.raises((CorruptStream, UnsupportedJpeg)):
                decode_all([bytes(data)], [model])
        sealed = _sealed(data[:-4])
        found = opened(sealed)
        assert spent(opened, sealed) < LIMIT
        if isinstance(found, JpegError):
            outcomes[type(found).__name__] += 1
            assert found.offset is not None
            continue
        outcomes["levels"] += 1
        assert all(abs(q.astype(np.int64)).max() <= levels.MOST for q in found)
        if i % 20 == 1:
            assert decode_all([sealed], [model], limits=Limits(pixels=1 << 16))[0].dtype == np.uint8
    assert outcomes["levels"] > 50 and outcomes["CorruptStream"] > 20


def test_weights_in_a_stream_are_checked():
    model = drawn(PerceptronSize(4, 6))
    box = read_box(encode_all([waves(8, 8)], PerceptronOptions(weights="sent"), model)[0])
    units = read_stream(write_box(box))[0].units
    held = weights.first(model, units).arrays

    def told(arrays: object) -> bytes:
        return write_box(replace(box, payloads=(compress.pack(arrays), *box.payloads[1:])))

    assert decode_all([told(dict(held))])[0].shape == (8, 8, 3)
    infinite = {**held, "decoder": np.full_like(held["decoder"], np.nan)}
    for arrays, message in (
        (infinite, "decoder: weights are not finite"),
        ({**held, "centre": held["centre"][:-1]}, "centre: must be float16"),
        ({**held, "grain": -held["grain"]}, "grain: must be above 0"),
        ({**held, "more": held["grain"]}, "there are arrays"),
        ({**model.arrays}, "no decoder's"),
        ([held["grain"]], "no decoder's"),
    ):
        with pytest.raises(CorruptStream, match=f"the stream's own weights: .*{message}"):
            decode_all([told(arrays)])
    with pytest.raises(LimitExceeded):
        decode_all([told({"decoder": np.zeros(1 << 22, np.float16)})])


def test_headers_are_checked():
    model = transform()
    data = encode_all([waves(40, 40)], GREY, model)[0]
    box = read_box(data)

    def told(**changes: object) -> bytes:
        return write_box(replace(box, **changes))

    name = b"\3dct" + model.digest
    for changes, message in (
        ({"kind": "dft"}, r"kind 'dft', not 'perceptron'"),
        ({"channels": 2}, "2 channels"),
        ({"params": b""}, "parameters"),
        ({"params": b"\4" + box.params[1:]}, "flags 4"),
        ({"params": b"\1\3" + box.params[2:]}, "and 3 bits"),
        ({"params": b"\1\0\x40" + bytes(4) + name}, "step of 0"),
        ({"params": b"\1\0\x40\x7f\xc0\0\0" + name}, "step of nan"),
        ({"params": b"\1\4\x41" + name}, "65 units"),
        ({"params": b"\1\4\0" + name}, "0 units"),
        ({"params": box.params + b"x"}, "do not fit"),
        ({"payloads": box.payloads[:2]}, "do not fit"),
        ({"params": b"\3\4\1\5\1\0\0\0"}, "none of this codec's: block=5"),
        ({"params": b"\3\4\1\4\1\7\0\0"}, "none of this codec's"),
    ):
        with pytest.raises(CorruptStream, match=message):
            decode_all([told(**changes)], [model])
    grey = write_box(replace(read_box(encode_all([waves(8, 8)[..., 0]], GREY, model)[0]), params=box.params))
    with pytest.raises(CorruptStream, match="flags 1"):
        decode_all([grey], [model])
    with pytest.raises(LimitExceeded, match=r"Limits\.memory"):
        decode_all(
            [told(height=9000, width=9000, payloads=(bytes(90_000),) * 3)], [model], limits=Limits(memory=1 << 20)
        )
    with pytest.raises(LimitExceeded, match=r"Limits\.pixels"):
        decode_all([data], [model], limits=Limits(pixels=100))
    with pytest.raises(CorruptStream) as caught:
        decode_all([data, data[:-1]], [model])
    assert caught.value.__notes__ == ["in files[1]"]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"quality": 0}, ValueError, "quality=0"),
        ({"quality": "9"}, TypeError, "quality='9'"),
        ({"bits": 3}, ValueError, "bits=3"),
        ({"bits": True}, TypeError, "bits=True"),
        ({"units": 65}, ValueError, r"units=65: must be 1\.\.64"),
        ({"units": 0}, ValueError, "units=0"),
        ({"subsampling": "4:2:2"}, ValueError, "subsampling='4:2:2'"),
        ({"weights": "lost"}, ValueError, "weights='lost'"),
        ({"image": np.zeros((4, 4))}, TypeError, r"images\[0\]: dtype float64"),
        ({"image": np.zeros((4, 4, 4), np.uint8)}, ValueError, r"images\[0\]: shape"),
        ({"image": np.zeros((4, 0), np.uint8)}, ValueError, "0×4 pixels"),
        ({"image": b"x"}, TypeError, r"images\[0\]"),
    ],
)
def test_bad_settings_are_named(arguments, kind, message):
    image = arguments.pop("image", waves(8, 8))
    with pytest.raises(kind, match=message):
        encode_all([image], PerceptronOptions(**arguments), transform())


def test_bad_arguments_of_decoding_and_networks_are_named():
    with pytest.raises(TypeError, match=r"files\[0\]"):
        decode_all(["x"])
    with pytest.raises(TypeError, match="limits=1"):
        decode_all([b""], limits=1)
    for arguments, message in (
        ({"block": 5}, "block=5"),
        ({"units": 65}, r"units=65: must be an integer 2\.\.64"),
        ({"units": 1}, "units=1"),
        ({"hidden": "relu"}, "hidden='relu'"),
        ({"output": 1}, "output=1"),
    ):
        with pytest.raises(ValueError, match=message):
            PerceptronSize(**arguments)
    with pytest.raises(TypeError, match="mean=1"):
        PerceptronSize(mean=1)


def test_the_codec_of_that_name():
    codec, image = codecs.get("perceptron"), waves(61, 83)
    data = codec.encode(image, quality=40, model="linear8")
    assert data == encode_all([image], PerceptronOptions(quality=40))[0] != codec.encode(image)
    np.testing.assert_array_equal(codec.decode(data), decode_all([data])[0])
    assert codec.encode_batch([image, image[:9]]) == [codec.encode(image), codec.encode(image[:9])]
    with pytest.raises(ValueError, match="model='none'"):
        codec.check({"model": "none"})
    with pytest.raises(ValueError, match="units=65"):
        codec.encode(image, units=65)
