"""Recipes: what they set, what the command line keeps, and a run repeated from its config.json."""

import json

import pytest

from keras_retinanet.bin import recipes, train, train_recipes
from keras_retinanet.bin.picture_options import AUGMENTATIONS
from keras_retinanet.bin.recipes import RECIPES

CSV = ["csv", "a.csv", "c.csv"]
MEASURED = [*CSV, "--val-annotations", "v.csv"]
# name, pictures a step, rate, steps of warm-up of a run of 100,000 steps
RATES = [
    ("standard", 8, 1e-3, None),
    ("standard", 2, 5e-4, None),
    ("small-data", 32, 2e-3, None),
    ("fizyr", 1, 1e-5, None),
    ("fizyr", 16, 1e-5, None),
    ("paper-1x", 16, 0.01, 1000),
    ("paper-1x", 4, 0.0025, 4000),
    ("3x", 64, 0.04, 250),
    ("modern", 2, 1.25e-5, 8000),
]


def settled(words, steps=100):
    args = train.parse_args(words)
    train_recipes.settle_rates(args, steps)
    return args


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sets_options_that_the_command_has(name):
    args = vars(train.parse_args(CSV))
    unknown = set(RECIPES[name].options) - set(args)
    assert unknown <= {"ema"}
    assert RECIPES[name].options.get("augmentation", "flips") in AUGMENTATIONS
    assert RECIPES[name].source and RECIPES[name].ap


@pytest.mark.parametrize(("name", "batch", "rate", "warmup"), RATES)
def test_rate_and_warmup_follow_the_batch(name, batch, rate, warmup):
    assert RECIPES[name].rate(batch) == pytest.approx(rate)
    assert RECIPES[name].warmup_steps(batch, 100_000) == warmup


def test_the_warmup_takes_no_more_than_a_tenth_of_a_short_run():
    assert RECIPES["paper-1x"].warmup_steps(16, 500) == 50
    assert RECIPES["paper-1x"].warmup_steps(16, 3) == 1


def test_the_paper_trains_with_sgd_and_drops_its_rate_after_8_and_10_67_of_12_epochs():
    args = settled([*CSV, "--recipe", "paper-1x"])
    assert (args.optimizer, args.momentum, args.weight_decay) == ("sgd", 0.9, 1e-3)
    assert (args.lr, args.batch_size, args.epochs) == (0.01, 16, 12)
    assert args.lr_schedule == "steps" and args.lr_steps == (8.0, 10.67)
    assert args.warmup_steps == 120  # a tenth of 1,200 steps
    assert args.optimizer_clipnorm == 0 and args.backbone_rate == 1
    assert args.freeze_backbone == 2


def test_fizyr_trains_as_keras_retinanet_1_0_did():
    args = settled([*MEASURED, "--recipe", "fizyr"])
    assert (args.optimizer, args.lr, args.optimizer_clipnorm) == ("adam", 1e-5, 0.001)
    assert (args.batch_size, args.epochs, args.steps) == (1, 50, 10000)
    assert (args.lr_schedule, args.reduce_lr_patience, args.reduce_lr_factor) == ("plateau", 2, 0.1)
    assert (args.backbone_rate, args.early_stopping) == (1, 5)


def test_options_of_the_command_line_come_before_the_recipe():
    words = ["--recipe", "modern", "--epochs", "3", *CSV, "--batch-size", "4", "--box-loss", "ciou"]
    args = settled(words)
    assert (args.epochs, args.batch_size, args.box_loss) == (3, 4, "ciou")
    assert args.lr == pytest.approx(1e-4 / 4)
    assert (args.optimizer, args.weight_decay) == ("adamw", 0.05)
    assert settled([*CSV, "--recipe", "modern", "--lr", "0.5"]).lr == 0.5
    assert train.parse_args([*CSV, "--recipe", "3x", "--random-transform"]).augmentation == (
        "random-transform"
    )


def test_the_rate_counts_all_pictures_of_an_update():
    assert settled([*CSV, "--recipe", "paper-1x", "--batch-size", "4", "--accumulate", "4"]).lr == (
        pytest.approx(0.01)
    )


def test_nothing_random_is_frozen_and_nothing_stops_without_a_measure():
    args = train.parse_args([*CSV, "--recipe", "3x", "--no-weights"])
    assert args.freeze_backbone is None
    assert train.parse_args([*CSV, "--recipe", "3x"]).freeze_backbone == 2
    assert train.parse_args([*CSV, "--recipe", "small-data"]).early_stopping is None
    assert train.parse_args([*MEASURED, "--recipe", "small-data"]).early_stopping == 20


class Pictures:
    """A dataset of some pictures."""

    def __init__(self, number):
        self.number = number

    def size(self):
        return self.number


@pytest.mark.parametrize(
    ("pictures", "words", "recipe", "augmentation", "frozen", "made"),
    [
        (1999, [], "small-data", "scale-jitter", None, 2),
        (2000, [], "standard", "flips", None, 1),
        (10, ["--augmentation", "overhead"], "small-data", "overhead", None, 1),
        (10, ["--freeze-backbone", "0"], "small-data", "scale-jitter", 0, 2),
        (10, ["--recipe", "standard"], "standard", "flips", None, 1),
        (10, ["--snapshot", "x.keras"], "small-data", "scale-jitter", None, 2),
    ],
)
def test_the_recipe_for_few_pictures_is_the_default_for_few(
    pictures, words, recipe, augmentation, frozen, made
):
    args, calls = train.parse_args([*CSV, *words]), []

    def make():
        calls.append(args.augmentation)
        return Pictures(pictures), None

    train_recipes.settle_by_size(args, make)
    assert (args.recipe, args.augmentation, args.freeze_backbone) == (recipe, augmentation, frozen)
    assert len(calls) == made and calls[-1] == augmentation


REFUSED = [
    ("--lr-steps 8,11 --lr-schedule cosine", "--lr-steps go with"),
    ("--lr-schedule steps", "needs --lr-steps"),
    ("--lr-steps 8,60", "is not within --epochs 50"),
    ("--lr-steps 11,8", "must be rising epochs"),
    ("--momentum 0.8", None),
    ("--momentum 0.8 --optimizer adam", "--momentum goes with"),
    ("--warmup-steps 5 --lr-schedule plateau", "--warmup-steps goes with"),
    ("--recipe unheard", "invalid choice"),
    ("--batch-size 0", "must be at least 1"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_options_that_contradict_each_other_are_refused(words, message, capsys):
    if message is None:
        assert train.parse_args([*CSV, *words.split()])
        return
    with pytest.raises(SystemExit):
        train.parse_args([*CSV, *words.split()])
    assert message in capsys.readouterr().err


def config(folder, command, options):
    path = folder / "config.json"
    path.write_text(json.dumps({"command": command, "options": options}), encoding="utf-8")
    return str(path)


def test_a_run_is_repeated_from_its_file(tmp_path):
    command = [*CSV, "--run-name", "first", "--epochs", "7", "--lr=0.25"]
    path = config(tmp_path, command, {"seed": 5, "augmentation": "crop", "run_name": "first"})
    args = train.parse_args(["--from", path])
    assert (args.annotations, args.epochs, args.lr, args.seed) == ("a.csv", 7, 0.25, 5)
    assert args.augmentation == "crop" and args.run_name is None


def test_what_stands_beside_the_file_comes_first_and_the_rate_follows_the_batch(tmp_path):
    path = config(tmp_path, CSV, {"seed": 5, "epochs": 7, "lr": 0.1, "batch_size": 8})
    args = train.parse_args([f"--from={path}", "--epochs", "9", "--batch-size", "2"])
    assert (args.epochs, args.batch_size, args.seed, args.lr) == (9, 2, 5, None)
    assert train.parse_args(["--from", path]).lr == 0.1


@pytest.mark.parametrize("content", [None, "{", "[]", '{"options": {}}'])
def test_a_file_that_is_of_no_run_is_refused(content, tmp_path, capsys):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit):
        train.parse_args(["--from", str(path)])
    error = capsys.readouterr().err
    assert str(path) in error and error.count("\n") == 1


def test_all_options_are_said_with_their_values():
    args = settled([*CSV, "--recipe", "paper-1x"])
    lines = train_recipes.resolved_lines(args)
    assert "1708.02002" in lines[0] and "0.357" in lines[0]
    text = " ".join(line.strip() for line in lines)
    for part in ("batch_size 16", "lr 0.01", "lr_steps 8,10.67", "seed None", "weight_decay 0.001"):
        assert part in text
    assert max(len(line) for line in lines[1:]) <= 98


def test_a_recipe_of_a_small_dataset_counts_fewer_than_2000():
    assert recipes.SMALL_DATASET == 2000
