"""Memory of a long run of the loader: it holds the queue's batches, and nothing grows.

Small pictures, many batches. The consumer pauses every tenth of the run, so that the queue is
full when memory is read (Linux; elsewhere the peak stands for it).

    python benchmarks/loader_memory.py --batches 20000 --queues 10 400
"""

import atexit
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import input_pipeline
import timing

PAUSE = 1.0  # seconds at most, until the queue is full
READINGS = 10


def resident_mb():
    """Return the memory that the process holds now, or its peak where no one tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    except OSError:
        return peak_mb()


def peak_mb():
    """Return the most memory that the process has held."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _until_full(loader, seconds):
    """Wait until the loader's workers have nothing to do."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(p._work_queue.qsize() for p in loader._pools):
        time.sleep(0.01)
    time.sleep(0.05)  # for the batches that are being made


def ours(options):
    """Return our Loader on a CSVGenerator of small JPEG files."""
    from keras_retinanet.preprocessing.loader import Loader

    folder = Path(tempfile.mkdtemp(prefix="loader-memory-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    generator = input_pipeline.make_generator(folder, options)

    def run(queue):
        total, megabytes = options["batches"], []
        every = max(1, total // READINGS)
        with Loader(generator, workers=options["workers"], queue_size=queue, steps=total) as loader:
            for number, (inputs, targets) in enumerate(loader, start=1):
                size = sum(part.nbytes for part in (*inputs.values(), *targets.values()))
                if number % every == 0 and number < total:
                    _until_full(loader, PAUSE)
                    megabytes.append(resident_mb())
        return {
            "count": total * options["batch"],
            "batches": total,
            "queue": f"{queue} x {size / 2**20:.3f} MB",
            "MB after a tenth": f"{megabytes[0]:.0f}" if megabytes else "",
            "MB at the end": f"{megabytes[-1]:.0f}" if megabytes else "",
            "peak MB": f"{peak_mb():.0f}",
        }

    return run


BENCHMARK = timing.Benchmark(
    title="Memory of a long run, per picture",
    script=__file__,
    contenders={"ours": timing.Contender(ours)},
    cases=lambda options: {f"queue of {queue}": queue for queue in options["queues"]},
    defaults={
        "size": "72x96",
        "side": 96,
        "longest": 128,
        "images": 64,
        "boxes": 7,
        "batch": 2,
        "batches": 20_000,
        "workers": 2,
        "queues": [10, 400],
    },
    tiny={"images": 4, "batches": 30, "queues": [3]},
    repeat=1,
    warmup=0,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
