"""Every benchmark runs from end to end at a toy size, and its arithmetic is right."""

import importlib
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

# a process of its own for each side of each benchmark: minutes on two cores
pytestmark = pytest.mark.heavy

FOLDER = Path(__file__).parents[1] / "benchmarks"
OWN = {
    "network": ["ours", "ours, frozen"],
    "inference": ["ours, Runner frozen", "ours, predict_on_batch"],
    "backbones": ["mobilenetv3_small_0.75", "resnet18"],
    "training_step": ["ours, float32", "ours, mixed_bfloat16"],
    "targets": ["ours, on the device", "ours, dense as in 1.0"],
    "objective": [
        *("default", "l1", "giou", "diou", "ciou", "atss", "match-all", "quality-focal"),
        "label smoothing",
    ],
    "postprocess": ["ours", "ours, 1.0's layers"],
    "input_pipeline": ["ours", "JPEG reduced", "JPEG whole"],
    "indexing": [
        "CSV",
        "CSV, row by row",
        "JSON",
        "JSON, Python's json",
        "JSON with masks",
        "JSON with masks, Python's json",
        "headers, first start",
        "headers, later start",
    ],
    "loader_memory": ["ours"],
    "doctor": ["examination with its page", "short look before a training", "fitted anchors"],
    "coco_eval": ["our AP", "our COCO numbers", "everything of ours", "pycocotools"],
}


@pytest.fixture
def module(monkeypatch):
    """Return f(name) -> a module of benchmarks/, forgotten afterwards; the dtype policy too."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before, policy = set(sys.modules), keras.config.dtype_policy()
    yield importlib.import_module
    keras.config.set_dtype_policy(policy)
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


def options_of(benchmark, contender):
    values = {**benchmark.defaults, **benchmark.tiny, "tiny": True}
    return {**values, **benchmark.contenders[contender].options}


def facts_of(benchmark, contender):
    """Return the facts of the last case of one contender, run in this process."""
    options = options_of(benchmark, contender)
    run = benchmark.contenders[contender].make(options)
    return [run(case) for case in benchmark.cases(options).values()][-1]


def test_every_benchmark_of_the_folder_is_tried_here():
    named = {path.stem for path in FOLDER.glob("*.py") if "timing.Benchmark(" in path.read_text()}
    assert named == set(OWN)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="freezing is TensorFlow's")
@pytest.mark.parametrize("name", ["network", "inference", "training_step", "backbones"])
def test_benchmarks_of_the_network_run(name, module):
    benchmark = module(name).BENCHMARK
    for contender in OWN[name]:
        facts = facts_of(benchmark, contender)
        if name == "training_step":
            assert np.isfinite(float(facts["loss"]))
        assert ("gflop" in facts) == (name != "inference")
        if contender == "resnet18":
            # torchvision's 11,689,512 less 513,000 of its classifier, and 9,600 statistics
            assert facts["million parameters"] == 11.19


def test_both_ways_to_assign_targets_find_the_same_objects(module):
    benchmark = module("targets").BENCHMARK
    facts = [facts_of(benchmark, contender) for contender in OWN["targets"]]
    assert facts[0]["objects"] == facts[1]["objects"] > 0


def test_every_objective_has_a_loss_of_its_own(module):
    benchmark = module("objective").BENCHMARK
    found = [float(facts_of(benchmark, contender)["loss"]) for contender in OWN["objective"]]
    assert np.isfinite(found).all() and len(set(found)) == len(found)


def test_one_factor_at_a_time_goes_on_where_it_was_stopped(module, real_data, tmp_path, capsys):
    one_factor, output = module("one_factor"), tmp_path / "table.md"
    words = ["--tiny", "--steps", "1", "--seeds", "1", "--datasets", "raccoons"]
    words += ["--data", str(real_data), "--output", str(output), "--factors", "default"]
    one_factor.main(words)
    one_factor.main([*words, "atss", "balanced-weights"])
    assert capsys.readouterr().out.count("raccoons, default, seed 1: ") == 1
    rows = [line for line in output.read_text().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| factor", "| ---", "| default", "| atss"]
    assert "Not run" not in output.read_text()


def test_one_factor_tells_mean_deviation_and_the_difference_seed_by_seed(module):
    found = {("default", 1): 0.2, ("default", 2): 0.4, ("giou", 1): 0.3, ("giou", 2): 0.5}
    results = {
        ("cells", factor, seed): {"AP": ap, "AP50": 2 * ap} for (factor, seed), ap in found.items()
    }
    results["other", "giou", 1] = {"AP": 0.1, "AP50": 0.2}
    lines = module("one_factor").table(results)
    assert lines[2] == "| default | 0.300 ± 0.141 |  | 0.600 ± 0.283 |  |  |  |"
    assert lines[3] == (
        "| giou | 0.400 ± 0.141 | 0.100 ± 0.000 | 0.800 ± 0.283 | 0.100 |  | 0.200 |"
    )


def test_both_ways_to_postprocess_find_the_same_number_of_boxes(module):
    benchmark = module("postprocess").BENCHMARK
    facts = [facts_of(benchmark, contender) for contender in OWN["postprocess"]]
    assert facts[0]["boxes"] == facts[1]["boxes"] > 0


def test_the_input_benchmark_counts_pictures(module, monkeypatch):
    from keras_retinanet.preprocessing import reduced

    benchmark = module("input_pipeline").BENCHMARK
    monkeypatch.setattr(reduced, "FACTORS", reduced.FACTORS)  # put back what "JPEG whole" changes
    for contender, canvas in zip(
        OWN["input_pipeline"], ("64x85", "384x512", "384x512"), strict=True
    ):
        facts = facts_of(benchmark, contender)
        assert (facts["count"], facts["canvas"]) == (4, canvas)


def test_the_indexing_benchmark_finds_all_boxes_and_pictures(module, monkeypatch):
    from keras_retinanet.preprocessing import coco_file, csv_reader

    benchmark = module("indexing").BENCHMARK
    monkeypatch.setattr(csv_reader, "plain_rows", csv_reader.plain_rows)
    monkeypatch.setattr(coco_file, "stream", coco_file.stream)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    for contender in OWN["indexing"]:
        facts = facts_of(benchmark, contender)
        assert facts.get("boxes", 6_000) == 6_000
        assert facts.get("sound", 600) == 600


def test_the_memory_benchmark_reads_every_batch(module):
    benchmark = module("loader_memory").BENCHMARK
    facts = facts_of(benchmark, "ours")
    assert (facts["batches"], facts["count"]) == (30, 60)
    assert facts["queue"] == f"3 x {2 * (96 * 128 * 3 + 8 + 8 * 20) / 2**20:.3f} MB"


def test_the_doctors_benchmark_looks_at_every_box(module):
    benchmark = module("doctor").BENCHMARK
    facts = [facts_of(benchmark, contender) for contender in OWN["doctor"]]
    assert facts[0]["boxes"] == facts[1]["boxes"] > 0
    assert facts[2]["boxes"] == 60 and facts[2]["before"] <= facts[2]["after"]


def test_the_servers_benchmark_gets_an_answer_to_every_request_beside_hostile_clients(module):
    words = ["--tiny", "--seconds", "5", "--clients", "2", "--hostile", "1", "--batch-size", "2"]
    ((_, answers, others, *_),) = module("serving").main(words)
    assert answers > 0 and others == 0


def test_our_coco_numbers_are_those_of_pycocotools(module):
    benchmark = module("coco_eval").BENCHMARK
    facts = [facts_of(benchmark, contender) for contender in OWN["coco_eval"]]
    ap, ours, everything, theirs = facts
    assert ours["AP"] == everything["AP"] == theirs["AP"]
    assert 0 < float(ap["mAP"]) <= 1


def test_the_halves_of_fine_tuning_share_no_picture_and_the_first_knows_less(module, tmp_path):
    tuning = module("finetuning")
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    rows += [f"{n}.jpg,90,80,{kind},1,2,3,4" for n in range(5) for kind in ("RBC", "Platelets")]
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    dataset = tuning.Dataset("boxes.csv", "boxes.csv", "there", ("RBC",), ("Platelets",))
    counts = tuning.write_parts(tmp_path, tmp_path, dataset, most=2)
    assert counts == {"first": 2, "second": 2, "val": 2}
    first, second = (
        (tmp_path / f"{part}.csv").read_text().splitlines() for part in ("first", "second")
    )
    there = tmp_path / "there"
    assert first == [f"{there / name},1,2,3,4,RBC" for name in ("0.jpg", "2.jpg")]
    assert [line.rpartition(",")[2] for line in second] == ["RBC", "Platelets"] * 2
    assert {line.split(",")[0] for line in second} == {f"{there / n}" for n in ("1.jpg", "3.jpg")}
    assert (tmp_path / "second_classes.csv").read_text() == "RBC,0\nPlatelets,1\n"


def test_a_script_prints_a_table_and_names_missing_peers():
    command = [sys.executable, FOLDER / "postprocess.py", "--tiny", "--peers", "torchvision"]
    command += ["--python", f"torchvision={sys.executable}", "--above", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "### Head outputs to detections"
    rows = [line for line in lines if line.startswith("| 5 over 0.05 | ours")]
    assert len(rows) == 2
    assert any("torchvision was left out" in line for line in lines) == (
        importlib.util.find_spec("torchvision") is None
    )


def test_calibration_puts_the_wanted_number_of_pairs_over_the_threshold(module):
    scenes = module("scenes")
    rng = np.random.default_rng(3)
    logits, deltas = rng.normal(0, 7.0, (50, 4)), rng.normal(0, 30.0, (50, 4))
    factor, bias, box_factor = scenes.calibration(logits, deltas, 20)
    scores = 1 / (1 + np.exp(-(logits * factor + bias)))
    assert (scores > scenes.SCORE_THRESHOLD * (1 + 1e-9)).sum() == 20
    assert np.std(logits * factor) == pytest.approx(1.0)
    assert np.std(deltas * box_factor) == pytest.approx(0.5)


def test_made_up_head_outputs_have_exactly_the_wanted_candidates(module):
    scenes = module("scenes")
    for above in (0, 1, 30):
        _, logits = scenes.head_outputs(20, 3, above)
        assert (logits > scenes.LOGIT_THRESHOLD).sum() == above


def test_medians_are_per_item_and_ratios_are_to_the_fastest_peer(module):
    timing, report = module("timing"), module("report")
    readings = [{"cpu": cpu, "wall": 2 * cpu, "facts": {"count": 2}} for cpu in (3.0, 1.0, 2.0)]
    ours = timing.medians(readings)
    assert ours == {"cpu": 1.0, "wall": 2.0, "facts": {}, "runs": 3}
    rows = [
        ("a", "ours", {**ours, "facts": {"gflop": 5.0}}),
        ("a", "slow", {**ours, "cpu": 8.0}),
        ("a", "fast", {**ours, "cpu": 4.0}),
        ("a", "idle", {**ours, "cpu": 0.1, "facts": {"skipped": "why"}}),
    ]
    lines = report.table(rows, {"slow", "fast", "idle"})
    assert lines[2] == "| a | ours | 1000 | 2000 | 3 | 5 | 0.25 |  |"
    assert lines[3] == "| a | slow | 8000 | 2000 | 3 |  | 2.00 |  |"
    assert lines[5] == "| a | idle |  |  |  |  |  | why |"


def test_a_contender_that_fails_is_left_out(tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER)!r})\n"
        "import timing\n"
        "def good(options):\n    return lambda case: {'case': case}\n"
        "def bad(options):\n    return lambda case: 1 / 0\n"
        "def absent(options):\n    import no_such_package\n"
        "B = timing.Benchmark('T', __file__, {n: timing.Contender(f) for n, f in\n"
        "    dict(good=good, bad=bad, absent=absent).items()},\n"
        "    lambda options: {'one': 1}, {}, {}, repeat=2)\n"
        "if __name__ == '__main__':\n    timing.main(B)\n"
    )
    done = subprocess.run(
        [sys.executable, script, "--tiny"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "| one | good |" in done.stdout and "case 1 |" in done.stdout
    assert "- bad was left out: ZeroDivisionError: division by zero" in done.stdout
    assert "- absent was left out: No module named 'no_such_package'" in done.stdout


def test_large_pictures_count_each_object_once(module):
    from tests.evaluation.fakes import detections, truths

    tiles = module("tiles")
    true = truths((0, 0, 0, 100, 100), (1, 200, 0, 300, 100))
    found = detections(
        (0, 0.9, 0, 0, 100, 98),  # the first
        (0, 0.8, 0, 0, 100, 90),  # again
        (0, 0.7, 10, 10, 30, 30),  # a piece of it
        (1, 0.6, 10, 10, 30, 30),  # a piece of the other class
        (1, 0.5, 200, 0, 300, 100),  # does not score above 0.5
    )
    assert tiles.count(true, found) == tiles.Counts(found=1, again=2, wrong=1)
    assert tiles.count(truths(), detections()) == tiles.Counts()


def test_shapes_lie_where_a_large_picture_says(module):
    image, rows = module("tiles").draw_large(np.random.default_rng(2), (300, 400), 5)
    assert image.shape == (300, 400, 3) and image.dtype == np.uint8 and len(rows) == 5
    for x1, y1, x2, y2, name in rows:
        assert 0 <= x1 < x2 <= 400 and 0 <= y1 < y2 <= 300
        assert name in ("circle", "square", "triangle")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="freezing is TensorFlow's")
def test_the_parts_of_a_video_are_measured_beside_the_whole(module, capsys):
    module("video").main(["--tiny"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "| " in line]
    names = [row[0].strip("| ") for row in rows[2:]]
    assert names == ["decode", "detect", "draw", "together", "sum of the parts"]
    assert all(float(row[1]) >= 0 for row in rows[2:])
