"""How is it trained? One `fit` for everything that this project ever trains; it knows no particular model.

    config       FitConfig: what a training is asked for, validated when made
    loop         fit: steps, logs, evaluations, checkpoints, clean ends
    state        parameters, optimiser, averages, random key; the jitted step
    shard        the mesh of devices, and which parameter is cut along which axis
    data         sources of batches whose position is one number: arrays, crops of pictures
    order        which sample comes when
    pipeline/    JPEG files to batches of pixels or coefficients, in grain's pipelines or without them
    pictures     where pictures come from: folders, zip packs, or one file of decoded pixels
    activations/ layers that keep their inputs compressed for the reverse pass
    losses/      what is minimised: rate and distortion, features of pictures and their files
    checkpoint   writing and reading the state with Orbax
    log          JSON lines, TensorBoard, a line of progress
    configs/     trainings of this project, one file each, for `jpegjax train`

Each name loads on first use; Optax, Orbax and grain come with `pip install 'jpegjax[train]'`.

Several hosts: call `jax.distributed.initialize` in each process before `fit`, with the same arguments to `fit` in all and a
checkpoint folder that all can write. Every process makes its own rows of each batch; the rows of batch n are the same
whatever the number of processes and devices.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from .failures import EXTRAS, OtherCheckpoint, TrainingDiverged, need_extra

if TYPE_CHECKING:
    from .checkpoint import restore_weights
    from .config import FitConfig
    from .data import Arrays, Crops, Samples, Source
    from .loop import FitResult, fit
    from .pictures import Files, Pack, split
    from .pipeline.batches import Batches, on_devices
    from .pipeline.decoding import CoefficientBatch, PixelBatch
    from .pipeline.files import Encoded

__all__ = [
    "Arrays",
    "Batches",
    "CoefficientBatch",
    "Crops",
    "Encoded",
    "Files",
    "FitConfig",
    "FitResult",
    "OtherCheckpoint",
    "Pack",
    "PixelBatch",
    "Samples",
    "Source",
    "TrainingDiverged",
    "fit",
    "on_devices",
    "restore_weights",
    "split",
]

_LATER = {
    "Arrays": "data",
    "Batches": "pipeline.batches",
    "CoefficientBatch": "pipeline.decoding",
    "Crops": "data",
    "Encoded": "pipeline.files",
    "Files": "pictures",
    "FitConfig": "config",
    "FitResult": "loop",
    "Pack": "pictures",
    "PixelBatch": "pipeline.decoding",
    "Samples": "data",
    "Source": "data",
    "fit": "loop",
    "on_devices": "pipeline.batches",
    "restore_weights": "checkpoint",
    "split": "pictures",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(_import_module(f"{__name__}.{_LATER[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRAS:
            raise
        raise need_extra(error) from None
    globals()[name] = value
    return value
