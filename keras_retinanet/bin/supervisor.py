"""--processes N without a cluster: N processes on this machine, and what to do when one is lost.

They are the same command, each with its own number. Where one ends in failure, the others cannot
go on without it: all are ended, and begin again from the last checkpoint.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from keras_retinanet.bin.console import BAD_INPUT, INTERRUPTED
from keras_retinanet.bin.run_folder import checkpoint_files
from keras_retinanet.bin.train_stop import TERMINATED

FINAL = (0, BAD_INPUT, INTERRUPTED, TERMINATED, -signal.SIGINT)  # no other try would end otherwise
PATIENCE = 30.0  # seconds that processes have to end after SIGTERM
LOOK_EVERY = 0.2  # seconds
SAME_MOMENT = 1.0  # seconds in which bad input ends all processes
TAIL = 20  # lines of a lost process' errors


@dataclass
class Started:
    """A process.

    Attributes:
        index: among those that train together.
        popen: of it.
        errors: file of what it writes to stderr; None for the first, whose lines are shown.
    """

    index: int
    popen: subprocess.Popen
    errors: Path | None = None


def free_port():
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def gpus(environment=os.environ):
    """Return the ids of the GPUs that may be used, [] without NVIDIA's tool or a GPU."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        return [name for name in environment["CUDA_VISIBLE_DEVICES"].split(",") if name]
    try:
        found = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return found.stdout.split()


def shares(ids, number, devices):
    """Return the GPUs of each of `number` processes, `devices` for each; None where there are none.

    Raises:
        ValueError: there are some, but too few.
    """
    if not ids:
        return [None] * number
    if len(ids) < number * devices:
        raise ValueError(
            f"--processes {number} with --devices {devices} need {number * devices} GPUs; there "
            f"are {len(ids)} ({', '.join(ids)}). Give fewer, or --gpu cpu"
        )
    return [ids[index * devices : (index + 1) * devices] for index in range(number)]


def _speaking(ended, first):
    """Return `first` where it ends in the same way in a moment: its lines are shown already."""
    try:
        first.popen.wait(SAME_MOMENT)
    except subprocess.TimeoutExpired:
        return ended
    return first if first.popen.returncode == ended.popen.returncode else ended


class Supervisor:
    """Processes that work together on this machine.

    Args:
        words: the command line; of a training with --run-name and --resume auto.
        number: of processes.
        devices: of each.
        folder: of the run.
        restarts: times that they begin again without a new checkpoint.
        report: gets lines of text.
        on_cpu: whether GPUs are left alone.
        program: that takes the words; None for retinanet-train.
    """

    program = (sys.executable, "-m", "keras_retinanet.bin.train")

    def __init__(
        self, words, number, devices, folder, restarts, report, on_cpu=False, program=None
    ):
        self.words = words
        self.program = program or self.program
        self.folder = Path(folder)
        self.restarts = restarts
        self.report = report
        self.gpus = [None] * number if on_cpu else shares(gpus(), number, devices)
        self._told_to_end = False

    def run(self):
        """Train; return the exit code."""
        with tempfile.TemporaryDirectory() as aside:
            self._aside = Path(aside)
            return self._run()

    def _run(self):
        before = signal.signal(signal.SIGTERM, self._handle)
        left, last = self.restarts, None
        try:
            while True:
                code, lost = self._once()
                if code in FINAL or self._told_to_end:
                    return abs(code)
                now = self._last_checkpoint()
                left = self.restarts if now != last else left
                last = now
                if not left:
                    self.report(f"{lost}; no new checkpoint after {self.restarts} restarts")
                    return 1
                left -= 1
                place = "from the start" if now is None else f"from {now.name}"
                self.report(f"{lost}; all begin again {place}")
        finally:
            signal.signal(signal.SIGTERM, before)

    def _handle(self, number, frame):
        self._told_to_end = True

    def _last_checkpoint(self):
        found = checkpoint_files(self.folder)
        return found[-1] if found else None

    def _once(self):
        """Start all, wait; return (exit code, what was lost)."""
        port = free_port()
        started = [self._start(index, port) for index in range(len(self.gpus))]
        ended = None
        try:
            while ended is None and any(one.popen.poll() is None for one in started):
                time.sleep(LOOK_EVERY)
                if self._told_to_end:
                    return self._end(started, signal.SIGTERM), ""
                ended = next((one for one in started if one.popen.poll()), None)
            if ended is None:
                ended = next((one for one in started if one.popen.poll()), None)
            if ended is None:
                return 0, ""
            return ended.popen.returncode, self._describe(_speaking(ended, started[0]))
        except KeyboardInterrupt:
            self._end(started, signal.SIGINT)
            raise
        finally:
            self._end(started, signal.SIGKILL)

    def _start(self, index, port):
        words = [
            *("--coordinator", f"127.0.0.1:{port}", "--processes", str(len(self.gpus))),
            *("--process-id", str(index)),
        ]
        environment = dict(os.environ)
        if self.gpus[index] is not None:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus[index])
        command = [*self.program, *self.words, *words]
        if index == 0:
            return Started(index, subprocess.Popen(command, env=environment))
        errors = self._aside / f"{index}.txt"
        with errors.open("wb") as stream:
            popen = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=stream
            )
        return Started(index, popen, errors)

    def _describe(self, ended):
        code = ended.popen.returncode
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        if ended.errors is not None:
            lines = ended.errors.read_text(errors="replace").splitlines()
            for line in lines[-TAIL:]:
                print(line, file=sys.stderr)
        return f"process {ended.index} ended {how}"

    def _end(self, started, number):
        """End what runs by a signal, after a while by force; return the exit code of the first."""
        for one in started:
            if one.popen.poll() is None:
                one.popen.send_signal(number)
        limit = time.monotonic() + PATIENCE
        for one in started:
            try:
                one.popen.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.popen.kill()
                one.popen.wait()
        return started[0].popen.returncode
