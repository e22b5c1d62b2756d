"""Interleaved measurement: each contender in a process of its own, asked in turn to run once.

Processes, because thread pools of two frameworks in one process disturb each other, and because
a peer may need a Python of its own. In turn (A B A B …), because a machine is never equally busy
from one minute to the next. What counts is CPU seconds over all threads of the process; wall
seconds stand beside them.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import report

PAUSE = 0.25  # seconds between runs: idle threads of the last contender spin for up to 0.2 s
PEERS = ("keras-hub", "torchvision", "pycocotools", "hotcoco")


@dataclass(frozen=True)
class Contender:
    """Something to be measured.

    Attributes:
        make: f(options) -> run; run(case) does the work once and returns facts, a dict that may
            hold "gflop" (work of one run), "count" (items in it: readings are divided by it),
            "skipped" (why it did nothing) and more, which is printed as it is. ImportError: it
            is not installed.
        peer: "" for ours, else a name of `PEERS`.
        backends: the Keras backends it knows; None for all.
        group: contenders of one group run in turn, groups one after the other.
        options: options that this contender changes.
    """

    make: Callable
    peer: str = ""
    backends: tuple | None = None
    group: str = ""
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """What a script measures.

    Attributes:
        title: of the table.
        script: path of the script.
        contenders: {name: Contender}.
        cases: f(options) -> {label: case}, cases being JSON values for `run`.
        defaults, tiny: options, and those that `--tiny` replaces.
        repeat, warmup: runs of each case that count, and that do not.
    """

    title: str
    script: str
    contenders: dict
    cases: Callable
    defaults: dict
    tiny: dict
    repeat: int = 7
    warmup: int = 1


def measured(run, case):
    """Return {"cpu", "wall"} in seconds and {"facts"} of one run."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    facts = run(case)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "facts": facts or {}}


def serve(make, options):
    """Answer each case on standard input with a reading on standard output, a line each."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a framework prints goes to the error stream

    def reply(answer):
        print(json.dumps(answer), file=replies, flush=True)

    try:
        run = make(options)
    except ImportError as error:
        reply({"missing": " ".join(str(error).split())[:160]})
        return
    reply({"versions": report.versions()})
    for line in sys.stdin:
        try:
            reply(measured(run, json.loads(line)))
        except Exception as error:  # a peer's failure must not end the others' measurement
            traceback.print_exc()
            reply({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"})


class Worker:
    """The process of one contender."""

    def __init__(self, script, name, options, python):
        command = [python, str(script), "--serve", name, "--options", json.dumps(options)]
        # a contender's warnings are of no interest until it fails
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.name, self.readings, self.error = name, {}, None

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: ended with exit code {self.process.wait()}")
        return json.loads(line)

    def start(self):
        """Wait until it is ready; return {"versions"} or {"missing": why}."""
        return self._answer()

    def run(self, label, case, counts):
        """Run once, and keep the reading if it counts."""
        print(json.dumps(case), file=self.process.stdin, flush=True)
        reading = self._answer()
        self.error = reading.get("error")
        if counts and not self.error:
            self.readings.setdefault(label, []).append(reading)

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def medians(readings):
    """Return {"cpu", "wall", "facts", "runs"} of one item, from the readings of one case."""
    facts = dict(readings[-1]["facts"])
    count = facts.pop("count", 1)
    result = {
        key: statistics.median(reading[key] for reading in readings) / count
        for key in ("cpu", "wall")
    }
    return {**result, "facts": facts, "runs": len(readings)}


def measure_group(workers, cases, repeat, warmup):
    """Run all cases of all workers in turn, leaving out those that fail.

    Returns:
        [(label, name, medians), …].
    """
    for attempt in range(warmup + repeat):
        for label, case in cases.items():
            for worker in [worker for worker in workers if not worker.error]:
                worker.run(label, case, counts=attempt >= warmup)
                time.sleep(PAUSE)
    well = [worker for worker in workers if not worker.error]
    return [(label, w.name, medians(w.readings[label])) for label in cases for w in well]


def wanted(benchmark, options):
    """Return {group: {name: contender}} of those that the options and the backend allow."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    groups = {}
    for name, contender in benchmark.contenders.items():
        known = contender.backends is None or backend in contender.backends
        if known and (not contender.peer or contender.peer in options["peers"]):
            groups.setdefault(contender.group, {})[name] = contender
    return groups


def _start(benchmark, contenders, options):
    """Return the workers of a group, still getting ready."""
    return [
        Worker(
            benchmark.script,
            name,
            {**options, **contender.options},
            options["python"].get(contender.peer, sys.executable),
        )
        for name, contender in contenders.items()
    ]


def measure(benchmark, options):
    """Return (rows of `measure_group`, versions, lines about contenders that are missing)."""
    rows, versions, notes = [], report.versions(), []
    for group, contenders in wanted(benchmark, options).items():
        workers = _start(benchmark, contenders, options)
        try:
            answers = [worker.start() for worker in workers]
            for answer in answers:
                versions = {**answer.get("versions", {}), **versions}
            for worker, answer in zip(workers, answers, strict=True):
                worker.error = answer.get("missing")
            cases = {f"{k} {group}".strip(): v for k, v in benchmark.cases(options).items()}
            rows += measure_group(workers, cases, options["repeat"], options["warmup"])
            notes += [f"{w.name} was left out: {w.error}" for w in workers if w.error]
        finally:
            for worker in workers:
                worker.close()
    return rows, versions, notes


def _parser(benchmark):
    parser = argparse.ArgumentParser(description=benchmark.title)
    parser.add_argument("--repeat", type=int, help=f"runs that count ({benchmark.repeat})")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, to try the script")
    parser.add_argument(
        "--peers", nargs="*", default=list(PEERS), help=f"of {', '.join(PEERS)}; none if empty"
    )
    parser.add_argument(
        "--python",
        nargs="*",
        default=[],
        metavar="PEER=PATH",
        help="a Python for a peer that cannot live in this one",
    )
    for name, value in benchmark.defaults.items():
        many = isinstance(value, list)
        kind = type(value[0] if many else value)
        shown = " ".join(map(str, value)) if many else value
        parser.add_argument(
            f"--{name}", type=kind, nargs="+" if many else None, help=f"default {shown}"
        )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    return parser


def _options(benchmark, args):
    tiny = benchmark.tiny if args.tiny else {}
    names = {**benchmark.defaults, "repeat": benchmark.repeat, "warmup": benchmark.warmup}
    if args.tiny:
        names["repeat"] = 1
    given = {name: value for name, value in vars(args).items() if value is not None}
    options = {name: given.get(name, tiny.get(name, value)) for name, value in names.items()}
    python = dict(entry.split("=", 1) for entry in args.python)
    return {**options, "tiny": args.tiny, "peers": args.peers, "python": python}


def main(benchmark, arguments=None):
    """Run a script's benchmark and print a Markdown table, or serve as one of its workers."""
    args = _parser(benchmark).parse_args(arguments)
    if args.serve:
        serve(benchmark.contenders[args.serve].make, json.loads(args.options))
        return
    options = _options(benchmark, args)
    start = time.perf_counter()
    rows, versions, notes = measure(benchmark, options)
    peers = {name for name, contender in benchmark.contenders.items() if contender.peer}
    seconds = time.perf_counter() - start
    command = f"python benchmarks/{Path(benchmark.script).name} " + " ".join(
        sys.argv[1:] if arguments is None else arguments
    )
    print(report.page(benchmark.title, command.strip(), rows, peers, versions, notes, seconds))
