"""Training of the restoration network."""

from .fitting import evaluation, gain_loss, train_restorer
from .source import Quantised, planes_of, target_of

__all__ = ["Quantised", "evaluation", "gain_loss", "planes_of", "target_of", "train_restorer"]
