"""Training of the restoration network."""

from .fitting import evaluation, gain_loss, loss_of, train_restorer
from .source import Quantised, kept, planes_of, target_of

__all__ = ["Quantised", "evaluation", "gain_loss", "kept", "loss_of", "planes_of", "target_of", "train_restorer"]
