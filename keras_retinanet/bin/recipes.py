"""Recipes: how published detectors were trained, as values of retinanet-train's options.

A row holds what its source states, at the batch that its source states it for. `rate` and
`warmup` make of it what the batch of a run asks for.
"""

import math
from dataclasses import dataclass, field
from types import MappingProxyType

STANDARD, SMALL = "standard", "small-data"
SMALL_DATASET = 2000  # pictures; fewer are trained on by SMALL
# Keras subtracts rate x decay x weight apart from the momentum, which makes a gradient 1 / (1 - m)
# times as strong in the long run; torch and Caffe add decay x weight to the gradient, before the
# momentum. 1e-4 there is 1e-4 / (1 - 0.9) here.
SGD_DECAY = 1e-3
MOST_WARMUP = 0.1  # share of a run's steps that a recipe's warm-up may take


def linear(batch, stated):
    """Return the factor on a learning rate of Goyal et al. 2017 (arXiv:1706.02677, section 2.1)."""
    return batch / stated


def root(batch, stated):
    """Return the factor for Adam of Malladi et al. 2022 (arXiv:2205.10287): the square root."""
    return math.sqrt(batch / stated)


def fixed(batch, stated):
    """Return 1."""
    return 1.0


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        source: where the values are from.
        lr: peak of the learning rate, at batches of `batch` pictures.
        batch: pictures to an update.
        scaling: f(pictures to an update, batch) -> factor on `lr`.
        warmup: steps of warm-up at `batch`; None for 5 % of all steps, at most 500.
        drops: shares of the run after which the rate falls to a tenth.
        ap: what the source publishes for COCO with ResNet50 at 800 pixels, as text.
        options: {attribute of the command's options: value}.
    """

    source: str
    lr: float
    batch: int
    scaling: object = linear
    warmup: int | None = None
    drops: tuple = ()
    ap: str = "none published"
    options: dict = field(default_factory=dict)

    def rate(self, batch):
        """Return the learning rate of updates of `batch` pictures."""
        return self.lr * self.scaling(batch, self.batch)

    def warmup_steps(self, batch, steps):
        """Return the steps of warm-up of a run of `steps` steps of `batch` pictures, or None.

        The same number of pictures at every batch, within `MOST_WARMUP` of the run.
        """
        if self.warmup is None:
            return None
        wanted = math.ceil(self.warmup * self.batch / batch)
        return max(1, min(wanted, round(MOST_WARMUP * steps)))

    def drop_epochs(self, epochs):
        """Return the epochs after which the rate falls, in hundredths."""
        return tuple(round(share * epochs, 2) for share in self.drops)


_PAPER = {
    "optimizer": "sgd",
    "momentum": 0.9,
    "weight_decay": SGD_DECAY,
    "lr_schedule": "steps",
    "backbone_rate": 1.0,
    "optimizer_clipnorm": 0.0,
    "freeze_backbone": 2,
    "batch_size": 16,
    "epochs": 12,
    "augmentation": "flips",
}
RECIPES = MappingProxyType(
    {
        STANDARD: Recipe(source="the defaults of this command", lr=1e-3, batch=8, scaling=root),
        SMALL: Recipe(
            source="the defaults, for few pictures",
            lr=1e-3,
            batch=8,
            scaling=root,
            options={
                "augmentation": "scale-jitter",
                "early_stopping": 20,
            },
        ),
        "fizyr": Recipe(
            source="keras-retinanet 1.0's defaults",
            lr=1e-5,
            batch=1,
            scaling=fixed,
            ap="0.350 (its README)",
            options={
                "optimizer": "adam",
                "lr_schedule": "plateau",
                "backbone_rate": 1.0,
                "optimizer_clipnorm": 0.001,
                "batch_size": 1,
                "epochs": 50,
                "steps": 10000,
                "early_stopping": 5,
                "augmentation": "flips",
            },
        ),
        "paper-1x": Recipe(
            source="Lin et al. 2017 (arXiv:1708.02002, section 5.1); warm-up of Detectron2",
            lr=0.01,
            batch=16,
            warmup=1000,
            drops=(60 / 90, 80 / 90),
            ap="0.357 (the paper, table 1e)",
            options=_PAPER,
        ),
        "3x": Recipe(
            source="Detectron2's retinanet_R_50_FPN_3x",
            lr=0.01,
            batch=16,
            warmup=1000,
            drops=(210 / 270, 250 / 270),
            ap="0.387 (Detectron2's model zoo)",
            options=_PAPER | {"epochs": 37, "augmentation": "multi-scale"},
        ),
        "modern": Recipe(
            source="torchvision's retinanet_resnet50_fpn_v2 (pytorch/vision pull request 5756), "
            "with a cosine, an average of the weights and large scale jitter",
            lr=1e-4,
            batch=16,
            warmup=1000,
            ap="none published; 0.415 of its base, whose heads have group norm",
            options={
                "optimizer": "adamw",
                "weight_decay": 0.05,
                "lr_schedule": "cosine",
                "backbone_rate": 1.0,
                "optimizer_clipnorm": 0.0,
                "box_loss": "giou",
                "ema": 0.999,
                "freeze_backbone": 2,
                "batch_size": 16,
                "epochs": 26,
                "augmentation": "large-scale-jitter",
            },
        ),
    }
)
