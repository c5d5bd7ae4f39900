"""jpegjax.simulate: exact forward against encode and decode, gradients against finite differences, devices, bad input."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import psnr
from pictures import rgb, ripples

import jpegjax
from jpegjax import ops
from jpegjax.annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from jpegjax.ops import simulate as layer
from jpegjax.options import parse_subsampling

RNG = np.random.default_rng(11)
SAMPLINGS = ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "3x1,1x1,3x1", "1x1,2x2,1x1"]


def through_file(image, **options):
    shown = jpegjax.decode(jpegjax.encode(image, **options))
    return shown.reshape(image.shape)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_exact_is_decode_of_encode(sampling):
    image = ripples(37, 51)
    for quality in (1, 10, 33, 50, 75, 92, 100):
        expected = through_file(image, quality=quality, subsampling=sampling)
        assert (np.asarray(jpegjax.simulate(image, quality, subsampling=sampling)) == expected).all(), quality
    floats = jpegjax.simulate(image.astype(np.float32), 33, subsampling=sampling)
    assert floats.dtype == jnp.float32
    assert (np.asarray(floats) == through_file(image, quality=33, subsampling=sampling)).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 9), (8, 8), (1, 40), (17, 33)])
def test_exact_at_small_and_odd_sizes(size):
    image = ripples(*size)
    assert (np.asarray(jpegjax.simulate(image, 60)) == through_file(image, quality=60)).all()
    for grey in (image[..., 0], image[..., :1])[: 2 if size == (7, 9) else 1]:
        shown = jpegjax.simulate(grey, 60)
        assert shown.dtype == jnp.uint8 and (np.asarray(shown) == through_file(grey, quality=60)).all()


@pytest.mark.parametrize("kind", ["noise", "black and white", "lines", "checkers"])
def test_exact_on_extreme_images(kind):
    y, x = np.mgrid[:64, :64]
    image = {
        "noise": RNG.integers(0, 256, (64, 64, 3)),
        "black and white": 255 * RNG.integers(0, 2, (64, 64, 3)),
        "lines": np.stack([255 * (x % 2), 255 * (y % 2), 255 * (x // 8 % 2)], -1),
        "checkers": np.stack([255 * ((x + y) % 2), 255 * ((x // 4 + y // 4) % 2), 255 * ((x // 3 + y) % 2)], -1),
    }[kind].astype(np.uint8)
    tables = [np.full((8, 8), steps) for steps in (1, 37, 255, 700, 1999, 2049, 65_535)]
    tables.append(RNG.integers(1, 3000, (8, 8)))
    for table in tables:
        for sampling in ("4:4:4", "4:2:0"):
            expected = through_file(image, qtables=[table], subsampling=sampling)
            assert (np.asarray(jpegjax.simulate(image, qtables=table, subsampling=sampling)) == expected).all()


def held_to_files(images, samplings, qualities, options):
    """Exact forward equal to files; smooth forward ≥ 45 dB to it; bits, mean error in percent at qualities 10..95."""
    errors = []
    for image in images:
        for sampling in samplings:
            for quality in qualities:
                file = jpegjax.encode(image, quality=quality, subsampling=sampling)
                shown, bits = jpegjax.simulate(image, quality, subsampling=sampling, bits=True)
                assert (np.asarray(shown) == jpegjax.decode(file)).all(), (sampling, quality)
                if 10 <= quality <= 95 and sampling in ("4:2:0", "4:4:4"):
                    errors.append(abs(float(bits) / (8 * len(file)) - 1))
                    for more in options:
                        smooth = jpegjax.simulate(image, quality, subsampling=sampling, forward="smooth", **more)
                        assert psnr(smooth, shown) >= 45, (sampling, quality, more)
    return 100 * np.mean(errors)


def test_kodak_in_part(kodak):
    images = [image[128:384, 128:384] for image in (rgb(kodak[i - 1]) for i in (1, 5, 13, 23))]
    assert held_to_files(images, ("4:4:4", "4:2:0"), (10, 50, 95), [{"gradient": "soft"}]) < 3


@pytest.mark.slow
def test_kodak_whole(kodak):
    images = [rgb(path) for path in kodak]
    samplings = ("4:4:4", "4:2:0", "4:2:2", "4:4:0", "4:1:1")
    assert held_to_files(images, samplings, (1, 10, 35, 75, 95), [{"gradient": "soft"}]) < 3


def test_smooth_form_of_pictures_that_were_files():
    """Where one step is twice another, coefficients stand at halves by the thousand."""
    for first, second in ((50, 25), (75, 50), (90, 80), (95, 90), (30, 60)):
        image = jpegjax.decode(jpegjax.encode(ripples(64, 96), quality=first))
        shown = jpegjax.simulate(image, second)
        assert psnr(jpegjax.simulate(image, second, forward="smooth"), shown) >= 45, (first, second)


def test_floats_that_look_like_0_to_1():
    for image in (np.random.default_rng(1).random((16, 16, 3)), jnp.full((8, 8), 0.5)):
        with pytest.warns(UserWarning, match="images: values lie within 0..1 and are taken as 0..255"):
            jpegjax.simulate(image)
        jpegjax.simulate(image * 255)
    jpegjax.simulate(np.zeros((8, 8)))
    jax.jit(jpegjax.simulate)(jnp.full((8, 8), 0.5))  # what is traced cannot be looked at


def matrix64():
    u, x = np.mgrid[:8, :8]
    return np.cos((2 * x + 1) * u * np.pi / 16) * np.where(u == 0, np.sqrt(1 / 8), 0.5)


def smooth64(image, luma, chroma, exponent):
    """The smooth form of an RGB image, 4:2:0, sides multiples of 16, in plain float64 NumPy; soft clamps. Levels are a file's."""
    file = jpegjax.encode(image, qtables=[luma, chroma])
    levels = [blocks[0].astype(float) for blocks in jpegjax.read_coefficients(file).planes]
    y, cb, cr = np.moveaxis(np.asarray(ops.rgb_to_ycbcr(image)).astype(float), -1, 0)
    bias = 1 + np.arange(cb.shape[1] // 2) % 2
    cb, cr = (np.floor((c[::2, ::2] + c[::2, 1::2] + c[1::2, ::2] + c[1::2, 1::2] + bias) / 4) for c in (cb, cr))
    d = matrix64()

    def soft_clip(x):
        x = (x + np.sqrt(x**2 + 0.25)) / 2
        return 255 - (255 - x + np.sqrt((255 - x) ** 2 + 0.25)) / 2

    def coded(plane, table, levels):
        out = np.empty_like(plane)
        for i in range(0, plane.shape[0], 8):
            for j in range(0, plane.shape[1], 8):
                z = d @ (plane[i : i + 8, j : j + 8] - 128) @ d.T / table
                level = levels[i // 8, j // 8]
                out[i : i + 8, j : j + 8] = d.T @ ((level + (z - level) ** exponent) * table) @ d + 128
        return soft_clip(out)

    def up(c):
        for axis in (0, 1):
            c = np.moveaxis(c, axis, 0)
            before, after = np.concatenate([c[:1], c[:-1]]), np.concatenate([c[1:], c[-1:]])
            c = np.moveaxis(np.stack([3 * c + before, 3 * c + after], 1).reshape(-1, c.shape[1]) / 4, 0, axis)
        return c

    y, cb, cr = (coded(x, *given) for x, *given in zip((y, cb, cr), (luma, chroma, chroma), levels, strict=True))
    cb, cr = up(cb) - 128, up(cr) - 128
    weights = [[1, 0, 1.402], [1, -0.344136286201, -0.714136286201], [1, 1.772, 0]]
    return soft_clip(np.stack([a * y + b * cb + c * cr for a, b, c in weights], -1))


@pytest.mark.parametrize("exponent", [1, 5])
def test_smooth_equals_a_plain_reference(exponent):
    image = ripples(32, 48)
    luma, chroma = (quality_table(t, 60).reshape(8, 8) for t in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION))
    found = jpegjax.simulate(image, 60, forward="smooth", gradient="soft", exponent=exponent)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, smooth64(image, luma, chroma, exponent), atol=0.01)


@pytest.mark.slow
def test_gradients_of_the_smooth_form_are_its_finite_differences():
    """In float64, along random directions, with the encoder's integer roundings held as the constants they are."""
    factors = parse_subsampling("4:2:0")
    with jax.enable_x64(True):
        image = jnp.asarray(ripples(19, 27), jnp.float64)
        weights = jnp.asarray(RNG.normal(size=image.shape))
        both = (LUMA_QUANTIZATION, CHROMA_QUANTIZATION)
        tables = jnp.asarray([quality_table(t, 50).reshape(8, 8) for t in both], jnp.float64) * 1.0371
        exact, smooth = (f(image[None], factors) for f in (layer.rounded_samples, layer.float_samples))
        constant = [a - b for a, b in zip(exact, smooth, strict=True)]

        @jax.jit
        def loss(x, tables):
            samples = [a + b for a, b in zip(layer.float_samples(x[None], factors), constant, strict=True)]
            steps = (tables[0], tables[1], tables[1])
            shown = layer.coded_pixels(samples, steps, factors, x.shape[:2], 5, False)[0]
            bits = ops.estimate_bits([layer.scaled_dct(s, t) for s, t in zip(samples, steps, strict=True)])[0]
            return jnp.sum(weights * shown) + 0.05 * bits

        def door(x, tables):
            shown, bits = jpegjax.simulate(x, qtables=tables, forward="smooth", gradient="soft", bits=True)
            return jnp.sum(weights * shown) + 0.05 * bits

        gradients = jax.grad(door, (0, 1))(image, tables)
        for trial in range(6):
            direction = [jnp.asarray(RNG.normal(size=g.shape)) for g in gradients]
            direction[trial % 2] *= 0  # images and tables in turn
            step = 1e-6
            low, high = (loss(image + s * direction[0], tables + s * direction[1]) for s in (-step, step))
            slope = sum(jnp.vdot(d, g) for d, g in zip(direction, gradients, strict=True))
            size = sum(jnp.linalg.norm(d) * jnp.linalg.norm(g) for d, g in zip(direction, gradients, strict=True))
            np.testing.assert_allclose((high - low) / (2 * step), slope, rtol=1e-6, atol=1e-7 * size)


def test_straight_through_gradient_is_that_of_colour_and_chroma_alone():
    """With slope 1 throughout, it is that of colour and chroma alone: no rounding, no clamp."""
    image = jnp.asarray(ripples(17, 30), jnp.float32)
    weights = jnp.asarray(RNG.normal(size=image.shape), jnp.float32)

    def chain(x):
        y, cb, cr = jnp.moveaxis(ops.rgb_to_ycbcr_float(ops.pad_plane(x.transpose(2, 0, 1), 18, 32), 0), 0, 0)
        cb, cr = (ops.upsample_float(ops.downsample_float(c, 2, 2)[:9, :15], 2, 2)[:17, :30] for c in (cb, cr))
        return jnp.sum(weights * ops.ycbcr_to_rgb_float(jnp.stack([y[:17, :30], cb, cr], -1)))

    expected = jax.grad(chain)(image)
    for forward in ("exact", "smooth"):
        found = jax.grad(lambda x, f=forward: jnp.sum(weights * jpegjax.simulate(x, 20, forward=f)))(image)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_exact_has_the_gradient_of_smooth():
    image = jnp.asarray(ripples(24, 40), jnp.float32)
    weights = jnp.asarray(RNG.normal(size=image.shape), jnp.float32)
    tables = jnp.stack([jnp.full((8, 8), 23.0), jnp.full((8, 8), 31.0)])

    def gradients(**options):
        return jax.grad(
            lambda x, t: jnp.sum(weights * jpegjax.simulate(x, qtables=t, gradient="soft", **options)), (0, 1)
        )(image, tables)

    for a, b in zip(gradients(), gradients(forward="smooth"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        assert np.abs(a).max() > 0.1


@partial(jax.jit, static_argnums=(2, 3))
def value_and_gradients(image, quality, forward, gradient):
    def loss(x, q):
        shown, bits = jpegjax.simulate(x, q, forward=forward, gradient=gradient, bits=True)
        return jnp.mean(jnp.square(shown - 100)) + bits

    return jax.value_and_grad(loss, (0, 1))(image, quality)


KINDS = {
    "photo": ripples,
    "noise": lambda h, w: RNG.integers(0, 256, (h, w, 3)),
    "flat": lambda h, w: np.full((h, w, 3), 255),
    "extremes": lambda h, w: 255 * RNG.integers(0, 2, (h, w, 3)),
    "outside": lambda h, w: RNG.normal(128, 400, (h, w, 3)),
}


def all_finite(height, width, quality, kind, forward, gradient):
    image = KINDS[kind](height, width).astype(np.float32)
    found = value_and_gradients(image, float(quality), forward, gradient)
    return all(np.isfinite(x).all() for x in jax.tree.leaves(found))


@pytest.mark.parametrize(
    ("size", "forward", "gradient"),
    [((8, 8), "exact", "soft"), ((9, 21), "smooth", "soft"), ((17, 8), "exact", "straight-through")],
)
@settings(max_examples=40, deadline=None)
@given(quality=st.integers(1, 100), kind=st.sampled_from(sorted(KINDS)))
def test_gradients_are_finite(size, forward, gradient, quality, kind):
    assert all_finite(*size, quality, kind, forward, gradient)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 70), st.integers(8, 70), st.integers(1, 100), st.sampled_from(sorted(KINDS)),
    st.sampled_from(["exact", "smooth"]), st.sampled_from(["soft", "straight-through"]),
)  # fmt: skip
def test_gradients_are_finite_at_any_size(height, width, quality, kind, forward, gradient):
    assert all_finite(height, width, quality, kind, forward, gradient)


def test_quality_and_tables_per_image():
    images = np.stack([ripples(24, 32, seed=i) for i in range(3)])
    qualities = np.array([20, 55, 95])
    tables = np.stack([
        np.stack([quality_table(t, q).reshape(8, 8) for t in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION)]) for q in qualities
    ])  # fmt: skip
    expected = np.stack([through_file(x, quality=int(q)) for x, q in zip(images, qualities, strict=True)])
    assert (np.asarray(jpegjax.simulate(images, qualities)) == expected).all()
    assert (np.asarray(jpegjax.simulate(images, jnp.asarray(qualities, jnp.float32))) == expected).all()
    assert (np.asarray(jpegjax.simulate(images, qtables=tables)) == expected).all()
    shown, bits = jax.vmap(lambda x, q: jpegjax.simulate(x, q, bits=True))(images, qualities)
    assert (np.asarray(shown) == expected).all() and bits.shape == (3,)
    batched = jpegjax.simulate(images, qualities, bits=True)[1]
    np.testing.assert_allclose(bits, batched, rtol=1e-5)
    slope = jax.grad(lambda q: jnp.sum(jpegjax.simulate(images, q, forward="smooth", bits=True)[1]))(
        jnp.asarray(qualities, jnp.float32)
    )
    assert slope.shape == (3,) and (slope > 0).all()


def test_traced_quality_compiles_once():
    image = ripples(16, 24)
    traces = []

    @jax.jit
    def step(x, q):
        traces.append(q)
        return jpegjax.simulate(x, q)

    for quality in (5, 50, 90):
        assert (np.asarray(step(image, quality)) == through_file(image, quality=quality)).all()
    assert len(traces) == 1
    assert (np.asarray(step(image, 1000)) == through_file(image, quality=100)).all()  # traced: clipped


def test_eight_devices_give_what_one_gives():
    mesh = jax.make_mesh((8,), ("n",))
    images = np.stack([ripples(24, 40, seed=i) for i in range(16)]).astype(np.float32)
    qualities = np.linspace(10, 95, 16).astype(np.int32)

    def loss(x, q):
        shown, bits = jpegjax.simulate(x, q, gradient="soft", bits=True)
        return jnp.sum(jnp.square(shown - x)) + jnp.sum(bits), (shown, bits)

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (_, (shown, bits)), gradient = step(images, qualities)
    spread = [jax.device_put(a, jax.NamedSharding(mesh, jax.P("n"))) for a in (images, qualities)]
    (_, (shown8, bits8)), gradient8 = step(*spread)
    assert len(shown8.sharding.device_set) == len(gradient8.sharding.device_set) == 8
    np.testing.assert_array_equal(shown8, shown)
    np.testing.assert_allclose(bits8, bits, rtol=1e-5)
    np.testing.assert_allclose(gradient8, gradient, atol=1e-3)
    split = jax.shard_map(lambda x, q: jpegjax.simulate(x, q), mesh=mesh, in_specs=jax.P("n"), out_specs=jax.P("n"))
    np.testing.assert_array_equal(jax.jit(split)(*spread), shown)


def test_not_a_number_stays_in_sight():
    image = ripples(24, 24).astype(np.float32)
    image[3, 4, 1] = np.nan
    black = np.nan_to_num(image, nan=0)
    for forward in ("exact", "smooth"):
        found = np.asarray(jpegjax.simulate(image, 75, forward=forward))
        assert np.isnan(found).sum() == 1 and np.isnan(found[3, 4, 1])
        np.testing.assert_array_equal(np.isnan(image) | (found == jpegjax.simulate(black, 75, forward=forward)), True)


@pytest.mark.parametrize(
    ("error", "message", "arguments", "options"),
    [
        (TypeError, "images: must be a NumPy", ([[1, 2]],), {}),
        (TypeError, "images: dtype int32", (np.zeros((8, 8), np.int32),), {}),
        (ValueError, r"images: shape \(8, 8, 4\)", (np.zeros((8, 8, 4), np.uint8),), {}),
        (ValueError, "images: 8×0 pixels", (np.zeros((0, 8), np.uint8),), {}),
        (ValueError, "quality: values 0..0; must be 1..100", (ripples(8, 8), 0), {}),
        (ValueError, "quality: values nan", (ripples(8, 8), float("nan")), {}),
        (ValueError, "quality: values 5..101", (ripples(8, 8)[None].repeat(2, 0), [5, 101]), {}),
        (
            ValueError,
            r"quality: shape \(3,\); must be a scalar or \[2\]",
            (ripples(8, 8)[None].repeat(2, 0), [1, 2, 3]),
            {},
        ),
        (TypeError, "quality: must be numbers 1..100, not bool", (ripples(8, 8), True), {}),
        (TypeError, "quality: must be numbers 1..100, not str", (ripples(8, 8), "best"), {}),
        (ValueError, r"qtables: shape \(5, 8, 8\)", (ripples(8, 8),), {"qtables": np.ones((5, 8, 8))}),
        (ValueError, "qtables: values 0..0", (ripples(8, 8),), {"qtables": np.zeros((8, 8))}),
        (ValueError, "forward='fast'", (ripples(8, 8),), {"forward": "fast"}),
        (ValueError, "gradient='none'", (ripples(8, 8),), {"gradient": "none"}),
        (ValueError, "exponent=4", (ripples(8, 8),), {"exponent": 4}),
        (TypeError, "exponent=2.5", (ripples(8, 8),), {"exponent": 2.5}),
        (TypeError, "bits=1", (ripples(8, 8),), {"bits": 1}),
        (ValueError, "subsampling='5:5:5'", (ripples(8, 8),), {"subsampling": "5:5:5"}),
    ],
)
def test_bad_input_is_named(error, message, arguments, options):
    with pytest.raises(error, match=message):
        jpegjax.simulate(*arguments, **options)
