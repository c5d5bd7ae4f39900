"""Every program of a device lowers for TPUs and for CUDA, where there is neither: what runs on them is found out here first.

Programs over devices are caught on their way, as the doors start them, and answered with zeros: nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from flax import nnx
from jax import numpy as jnp
from pictures import ripples
from training import config
from walls import modules

import jpegjax
from jpegjax import metrics
from jpegjax.dft import decode as decode_dft
from jpegjax.dft import encode as encode_dft
from jpegjax.jpeg.decoding.on_devices import decode_on_devices
from jpegjax.learned import weights
from jpegjax.learned.codec import decode_all, encode_all
from jpegjax.learned.light import Light, LightSize
from jpegjax.learned.published import models
from jpegjax.learned.restoring.model import Restorer, RestorerSize
from jpegjax.options import DecodeOptions
from jpegjax.run import mesh
from jpegjax.train.losses.rate_distortion import rate_distortion
from jpegjax.train.restoration.fitting import gain_loss
from jpegjax.train.state import first_state, make_step

IMAGE, ONE = ripples(40, 56), jax.devices()[0]
HOMES = (
    "run.flow", "jpeg.device.programs", "jpeg.device.resident", "jpeg.device.scans", "jpeg.tuned.device", "learned.programs",
    "learned.restoring.run",
)  # fmt: skip
"""Modules that start programs over devices."""
ELSEWHERE = ("jpeg.device.entropy",)
"""Another, whose programs test_device_entropy lowers."""

PLATFORMS = {"tpu": "tpu", "cuda": "gpu"}
"""What an export calls a platform, and what a device of it says."""


class Program(NamedTuple):
    """A call of `mapped`, and the shapes that its program was given."""

    function: Callable[..., Any]
    static: tuple[Any, ...]
    settings: tuple[tuple[str, Any], ...]
    shapes: Any

    def lowered(self, platform: str) -> None:
        """For one device of a platform, which some programs ask for by name."""
        static = [PLATFORMS[platform] if part == "cpu" else part for part in self.static]
        run, _ = mesh.mapped.__wrapped__(self.function, (jax.devices()[0],), *static, **dict(self.settings))
        lowered(run, self.shapes, platform)


def lowered(run: Any, shapes: Any, platform: str) -> None:
    found = jax.export.export(run, platforms=[platform])(*shapes)
    module = found.mlir_module()
    assert found.platforms == (platform,) and "callback" not in module
    assert "f64>" not in module, "TPUs have no such numbers"


def shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Program]:
    """The programs that are started while a test runs, each once."""
    seen: dict[str, Program] = {}
    original = mesh.mapped

    def mapped(function: Any, devices: Any, *static: Any, **settings: Any) -> Any:
        run, sharding = original(function, devices, *static, **settings)

        def answered(*arguments: Any) -> Any:
            shapes = jax.tree.map(shape_of, arguments)
            program = Program(function, static, tuple(settings.items()), shapes)
            seen.setdefault(str((function.__qualname__, static, settings, jax.tree.leaves(shapes))), program)
            made = jax.eval_shape(run, *arguments)
            return jax.tree.map(lambda x: jax.device_put(np.zeros(x.shape, x.dtype), sharding), made)

        return mesh.Mapped(answered, sharding)

    for name in HOMES:
        monkeypatch.setattr(f"jpegjax.{name}.mapped", mapped)
    return seen


def test_every_room_with_programs_is_watched() -> None:
    package = Path(jpegjax.__file__).parent
    found = {name for name, path in modules(package).items() if "mapped(" in path.read_text() and name != "run.mesh"}
    assert found == {*HOMES, *ELSEWHERE}


def encoded(images: Any = IMAGE, **options: Any) -> None:
    jpegjax.encode(images, engine="xla", device=jax.devices()[0], **options)


def decoded(files: Any, **options: Any) -> None:
    jpegjax.decode(files, engine="xla", device=jax.devices()[0], **options)


def file(**options: Any) -> bytes:
    return jpegjax.encode(IMAGE, engine="host", **options)


def by_dft(**options: Any) -> None:
    decode_dft(encode_dft(IMAGE, engine="xla", device=jax.devices()[0], **options), device=jax.devices()[0])


def learned(name: str) -> None:
    one = jax.devices()[0]
    decode_all(encode_all([IMAGE], 50, weights.named(name), one), device=one)


DOORS: dict[str, tuple[Callable[[], None], str]] = {
    "encode": (encoded, "encode_page"),
    "encode, grey": (lambda: encoded(IMAGE[..., 0]), "encode_page"),
    "encode, 4:4:4": (lambda: encoded(subsampling="4:4:4"), "encode_page"),
    "encode, 4:2:2 with dering": (lambda: encoded(subsampling="4:2:2", dering=True), "encode_page"),
    "encode, CMYK": (lambda: encoded(np.concatenate([IMAGE, IMAGE[..., :1]], -1), mode="CMYK"), "encode_page"),
    "encode, smoothed": (lambda: encoded(smoothing=10), "_encode"),
    "encode, 12 bits": (lambda: encoded(IMAGE.astype(np.uint16) * 16, precision=12), "_encode"),
    "encode, resident": (lambda: encoded(jnp.asarray(np.stack([IMAGE] * 4)), progressive=True), "_encode"),
    "encode, tuned": (lambda: encoded(tune=True), "transform quantise next_rates"),
    "encode, tuned for PSNR": (lambda: encoded(tune="psnr"), "transform quantise next_rates"),
    "decode": (lambda: decoded(file()), "decode_page"),
    "decode, 4:2:2 to grey": (lambda: decoded(file(subsampling="4:2:2"), mode="L"), "decode_page"),
    "decode, nearest": (lambda: decoded(file(), upsample="nearest"), "decode_page"),
    "decode, resident": (lambda: decoded([file()] * 4), "_decode"),
    "decode, data too": (
        lambda: decode_on_devices([file()] * 2, DecodeOptions(), ONE, True),
        "levels_of _pixels decode_page",
    ),
    "decode, 12 bits": (
        lambda: decoded(jpegjax.encode(IMAGE.astype(np.uint16) * 16, precision=12, engine="host")),
        "_decode",
    ),
    "decode, floats": (lambda: decoded(file(), dtype="float32"), "_decode"),
    "decode, centroids": (lambda: decoded(file(), reconstruction="laplacian"), "_decode"),
    "decode, restored": (lambda: decoded(file(), restore=True), "_pixels"),
    "decode, restored within cells": (lambda: decoded(file(), restore="consistent"), "_pixels"),
    "decode, restored grey": (lambda: decoded(jpegjax.encode(IMAGE[..., 0]), restore=True), "_pixels"),
    "DFT": (by_dft, "_forward _backward"),
    "DFT, whole and fewer": (lambda: by_dft(block=None, keep=0.5, subsampling="4:4:4"), "_forward _backward"),
    "learned": (lambda: learned("light"), "floats symbols indexes pixels"),
}


@pytest.mark.parametrize("door", DOORS)
def test_programs_behind_the_doors_lower(door: str, programs: dict[str, Program]) -> None:
    call, names = DOORS[door]
    call()
    assert {program.function.__name__ for program in programs.values()} == {*names.split()}
    for program in programs.values():
        for platform in PLATFORMS:
            program.lowered(platform)


PICTURES = jax.ShapeDtypeStruct((2, 192, 192, 3), jnp.float32)
METRICS = [name for name in metrics.__all__ if name[0].islower() and not name.startswith("bd_")]


def judged(name: str) -> Callable[..., Any]:
    """The metric of a batch; of a function that prepares references, what it gives."""
    metric = getattr(metrics, name)
    if name.endswith("_reference"):
        return jax.jit(lambda a, b: metric(a, data_range=255))
    return jax.jit(lambda a, b: metric(a, b, data_range=255))


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", METRICS)
def test_metrics_lower(name: str, platform: str) -> None:
    lowered(judged(name), (PICTURES, PICTURES), platform)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", ["mse", "ssim", "ms_ssim", "ssimulacra2", "psnr_hvs_m"])
def test_gradients_of_metrics_lower(name: str, platform: str) -> None:
    metric = judged(name)
    lowered(jax.jit(jax.grad(lambda a, b: metric(a, b).sum(), argnums=1)), (PICTURES, PICTURES), platform)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("forward", ["exact", "smooth"])
def test_simulate_lowers_with_its_gradient(forward: Any, platform: str) -> None:
    def loss(images: jax.Array, quality: jax.Array) -> Any:
        shown, bits = jpegjax.simulate(images, quality, forward=forward, gradient="soft", bits=True)
        return jnp.mean((shown - images) ** 2) + 1e-6 * bits.sum()

    shapes = jax.ShapeDtypeStruct((2, 40, 56, 3), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.float32)
    lowered(jax.jit(jax.value_and_grad(loss, argnums=(0, 1))), shapes, platform)


def trained(kind: str) -> tuple[Any, Any, Any]:
    """(model, loss, batch) of a training that the library ships, as small as it can be."""
    pixels = {"pixels": jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.uint8)}
    if kind == "light":
        size = LightSize(width=16, latents=16, hyper=8, features=8, hidden=16, encoder=1)
        return Light(size, rngs=nnx.Rngs(0)), rate_distortion("mse"), pixels
    if kind == "light, MS-SSIM":
        size = LightSize(width=16, latents=16, hyper=8, features=8, hidden=16, encoder=1)
        pixels = {"pixels": jax.ShapeDtypeStruct((2, 192, 192, 3), jnp.uint8)}
        return Light(size, rngs=nnx.Rngs(0)), rate_distortion("ms-ssim"), pixels
    planes = jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32)
    steps, sampling = jax.ShapeDtypeStruct((2, 3, 64), jnp.float32), jax.ShapeDtypeStruct((2, 2), jnp.int32)
    seen = {"planes": planes, "steps": steps, "sampling": sampling, "target": planes}
    return Restorer(RestorerSize(stages=1), rngs=nnx.Rngs(0)), gain_loss, seen


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("kind", ["light", "light, MS-SSIM", "restorer"])
def test_steps_of_training_lower(kind: str, platform: str) -> None:
    model, loss, batch = trained(kind)
    settings = config(batch=2)
    graph, state = first_state(model, settings)
    step = jax.jit(make_step(graph, loss, settings))
    _, shown = jax.eval_shape(step, state, {}, batch)
    sums = {name: jax.ShapeDtypeStruct((), jnp.float32) for name in shown}
    lowered(step, jax.tree.map(shape_of, (state, sums, batch)), platform)


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("make", [models.factorized, models.hyperprior, models.mean_scale])
def test_published_models_lower(make: Any, platform: str) -> None:
    graph, state = nnx.split(make(1, rngs=nnx.Rngs(0)))

    def gradient(state: Any, batch: Any, key: jax.Array) -> Any:
        return jax.grad(lambda s: models.rate_distortion()(nnx.merge(graph, s), batch, key)[0])(state)

    batch = {"pixels": jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.uint8)}
    shapes = jax.tree.map(shape_of, (state, batch, jax.random.key(0)))
    lowered(jax.jit(gradient), shapes, platform)
