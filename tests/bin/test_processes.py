"""Several processes: who a process is, what is refused, what happens when one is lost."""

import argparse
import os
import sys

import pytest

from keras_retinanet.bin import evaluate, process_options, train, train_again
from keras_retinanet.bin.process_options import Membership, first_pod, membership
from keras_retinanet.bin.run_folder import CHECKPOINTS
from keras_retinanet.bin.supervisor import Supervisor, gpus, shares
from keras_retinanet.bin.train_stop import SharedStop, Stop, Terminated
from keras_retinanet.utils import processes

SLURM = {
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_NODELIST": "node[3-4]",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "3",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
ORTE = {"OMPI_MCA_orte_hnp_uri": "4096.0;tcp://10.0.0.1:34911"}
MEMBERS = {
    "alone": ({}, {}, None),
    "started here": ({"processes": 2}, {}, None),
    "one": ({"processes": 1}, SLURM, None),
    "by hand": (
        {"coordinator": "a:1", "processes": 2, "process_id": 1},
        {},
        Membership("a:1", 2, 1),
    ),
    "SLURM": ({}, SLURM, Membership(None, 4, 2, 0)),
    "SLURM, a step of two": ({}, SLURM | {"SLURM_STEP_NUM_TASKS": "2"}, Membership(None, 2, 2, 0)),
    "SLURM, address given": ({"coordinator": "b:9"}, SLURM, Membership("b:9", 4, 2, 0)),
    "SLURM, the script": (
        {},
        {name: value for name, value in SLURM.items() if "STEP" not in name},
        None,
    ),
    "SLURM, one task": ({}, SLURM | {"SLURM_NTASKS": "1"}, None),
    "Open MPI 4": ({}, OPEN_MPI | ORTE, Membership(None, 3, 1, 1)),
    "Kubernetes": (
        {"processes": 8},
        {"JOB_COMPLETION_INDEX": "5"},
        Membership("job-0.svc.space:29400", 8, 5),
    ),
    "Kubernetes, address given": (
        {"processes": 8, "coordinator": "c:2"},
        {"JOB_COMPLETION_INDEX": "5"},
        Membership("c:2", 8, 5),
    ),
}
FAULTS = {
    "no number": ({"coordinator": "a:1"}, {}, "--coordinator needs --processes and --process-id"),
    "no coordinator": ({"process_id": 1, "processes": 2}, {}, "--process-id 1 needs --coordinator"),
    "too high": (
        {"coordinator": "a:1", "processes": 2, "process_id": 2},
        {},
        "--process-id 2 must be less than --processes 2",
    ),
    "Open MPI 5": ({}, OPEN_MPI, "Open MPI does not tell where process 0 is; give --coordinator"),
}


def options(given):
    return argparse.Namespace(
        **{"processes": None, "coordinator": None, "process_id": None, **given}
    )


@pytest.mark.parametrize("case", MEMBERS)
def test_a_process_learns_who_it_is(case, monkeypatch):
    given, environment, expected = MEMBERS[case]
    monkeypatch.setattr(process_options.socket, "getfqdn", lambda: "job-5.svc.space")
    if case == "SLURM, a step of two":  # the number counts, though the index is another step's
        environment = environment | {"SLURM_PROCID": "1"}
        expected = Membership(None, 2, 1, 0)
    assert membership(options(given), environment) == expected


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_missing_is_named(case):
    given, environment, message = FAULTS[case]
    with pytest.raises(ValueError, match=message):
        membership(options(given), environment)


def test_a_host_that_is_no_pod_of_an_indexed_job_is_refused():
    assert first_pod(12, "train-12") == "train-0:29400"
    with pytest.raises(ValueError, match="host laptop is not named as the pod 3 of an indexed job"):
        first_pod(3, "laptop")


REFUSED = {
    "backend": ({"KERAS_BACKEND": "tensorflow"}, (), "--processes 2: they work together on JAX"),
    "cluster": (
        {"KERAS_BACKEND": "torch", **SLURM},
        ("--processes", 4),
        "SLURM started 4 processes: they work together on JAX alone; set KERAS_BACKEND=jax, or "
        "--processes 1",
    ),
    "uneven": ({}, ("--batch-size", 3), "all --devices 1 of --processes 2 together and must be a"),
    "devices": ({}, ("--batch-size", 6, "--devices", 2), "must be a multiple of 4; give 4 or 8"),
    "auto": ({}, ("--batch-size", "auto"), "--processes 2: --batch-size auto is tried in one"),
    "plan": ({}, ("--batch-size", 2, "--plan"), "--processes 2: --plan measures one process"),
    "address": ({}, ("--coordinator", "here"), "'here' is not HOST:PORT, such as node1:29400"),
    "no name": ({}, ("--batch-size", 2, "--resume", "auto"), "--resume auto needs --run-name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused_in_one_line(case, drawn, outcome, monkeypatch):
    environment, words, message = REFUSED[case]
    for name, value in {"KERAS_BACKEND": "jax", **environment}.items():
        monkeypatch.setenv(name, value)
    line = ["--processes", 2, *words, "csv", drawn / "train.csv", drawn / "classes.csv"]
    code, error = outcome(train, line)
    assert code == 2 and message in error and error.count("\n") == 1


def settled(folder, *words):
    def parse(words):
        parser = argparse.ArgumentParser()
        parser.add_argument("--run-name")
        parser.add_argument("--snapshot-path", default=str(folder))
        return parser.parse_args(words)

    return train_again.settled(list(words), parse)


def test_resume_auto_goes_on_where_there_is_a_checkpoint(tmp_path):
    words = ("--run-name", "a", "--resume", "auto")
    assert train_again.is_auto(words) and train_again.is_auto(["--resume=auto"])
    assert not train_again.is_auto(["--resume", "b", "auto"])
    assert settled(tmp_path, *words) == ["--run-name", "a"]
    (tmp_path / "a" / CHECKPOINTS).mkdir(parents=True)
    assert settled(tmp_path, *words) == ["--run-name", "a"]  # lost before its first checkpoint
    (tmp_path / "a" / CHECKPOINTS / "step-000000000.keras").touch()
    assert settled(tmp_path, *words) == ["--run-name", "a", "--resume", str(tmp_path / "a")]


def test_options_of_one_process_are_not_the_run_s():
    words = ["--lr", "1", "--coordinator", "a:1", "--process-id=3", "csv", "--restarts", "2"]
    assert train_again.without(words, process_options.OWN_OPTIONS) == ["--lr", "1", "csv"]


# Process 1 is lost as many times as `losses` says; a checkpoint is written each time it says so.
FAKE = """
import os, pathlib, signal, sys, time
folder, losses, kept, code = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:5])
index = int(sys.argv[sys.argv.index("--process-id") + 1])
before = len(list(folder.glob("try-*")))
if index == 0:
    time.sleep(60 if before < losses else 0)
    sys.exit(0)
(folder / f"try-{before}").touch()
if kept:
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / f"step-{before:09d}.keras").touch()
if before < losses:
    print("what went wrong", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(code) if code else os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def supervise(tmp_path, monkeypatch):
    """Return f(losses, kept, code, restarts) -> (exit code, lines, tries)."""
    program = tmp_path / "fake.py"
    program.write_text(FAKE)
    monkeypatch.setattr(Supervisor, "program", (sys.executable, str(program)))

    def run(losses, kept=0, code=0, restarts=2):
        lines = []
        words = [str(tmp_path), *map(str, (losses, kept, code))]
        supervisor = Supervisor(words, 2, 1, tmp_path, restarts, lines.append, on_cpu=True)
        return supervisor.run(), lines, len(list(tmp_path.glob("try-*")))

    return run


def test_processes_that_end_well_end_the_command(supervise):
    assert supervise(0) == (0, [], 1)


def test_all_begin_again_where_one_is_lost(supervise, capfd):
    code, lines, tries = supervise(1, kept=1)
    assert lines == ["process 1 ended by SIGKILL; all begin again from step-000000000.keras"]
    assert (code, tries) == (0, 2)
    assert "what went wrong" in capfd.readouterr().err


def test_restarts_without_a_new_checkpoint_come_to_an_end(supervise):
    code, lines, tries = supervise(9, code=1)
    assert code == 1 and tries == 3
    assert lines[0] == "process 1 ended with exit code 1; all begin again from the start"
    assert lines[-1] == "process 1 ended with exit code 1; no new checkpoint after 2 restarts"


def test_new_checkpoints_count_as_progress(supervise):
    code, lines, tries = supervise(4, kept=1, code=1)
    assert (code, tries, len(lines)) == (0, 5, 4)


def test_bad_input_is_not_tried_again(supervise):
    assert supervise(9, code=2) == (2, [], 1)


def test_gpus_are_shared_out(monkeypatch):
    assert gpus({"CUDA_VISIBLE_DEVICES": "0,3"}) == ["0", "3"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert shares([], 2, 1) == [None, None]
    assert shares(["0", "3", "4", "5"], 2, 2) == [["0", "3"], ["4", "5"]]
    with pytest.raises(
        ValueError, match=r"--processes 2 with --devices 2 need 4 GPUs; there are 1"
    ):
        shares(["0"], 2, 2)


def test_all_processes_end_after_the_step_that_the_first_says(monkeypatch):
    """The first says when to ask again; between, nobody talks."""
    said = []
    monkeypatch.setattr(processes, "number", lambda: 2)
    monkeypatch.setattr(processes, "told", lambda value: said.append(value) or value)
    stop = Stop()
    shared = SharedStop(stop)
    assert shared() is None and said == [[False, None, 2]]
    stop.terminated = True
    assert shared() is None and len(said) == 1
    assert isinstance(shared(), Terminated) and said[1][0] is True
    other = SharedStop(Stop())
    monkeypatch.setattr(processes, "told", lambda value: [False, "the time budget is used up", 1])
    assert str(other()) == "the time budget is used up"


def test_os_environ_is_what_is_looked_at(monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setitem(os.environ, name, value)
    assert process_options.started_by().name == "SLURM"


def test_what_needs_one_process_is_refused_of_an_evaluation(drawn, outcome, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    files = [drawn / "val.csv", drawn / "classes.csv"]
    code, error = outcome(evaluate, ["--processes", 2, "csv", *files, "--results", "a.json"])
    assert code == 2 and "--processes goes with a model, not with --results" in error
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    code, error = outcome(evaluate, ["--processes", 2, "csv", *files, "a.keras"])
    assert code == 2 and "--processes 2: they work together on JAX alone" in error
