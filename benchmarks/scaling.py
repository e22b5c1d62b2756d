"""What several processes cost: messages, measured; gradients and pictures, from their sizes.

Processes agree on the size of each batch through the coordinator, ahead of its step; that is
measured among processes of this machine, which do nothing else. The rest is a model: each step
sums the gradients of all GPUs, and every GPU wants its pictures.

    python benchmarks/scaling.py --processes 2 4 8 16
    python benchmarks/scaling.py --processes 2 --rounds 20 --step-ms 34.6 --batch 16
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report

ROOT = Path(__file__).parents[1]
PARAMETERS = 38_021_812  # of our ResNet50 with 80 classes; --parameters for another
GPUS_A_MACHINE = 8
NETWORKS = {  # bytes a second that one GPU sends to other machines
    "400 Gbit/s for each GPU": 400e9 / 8,
    "400 Gbit/s for a machine of 8": 400e9 / 8 / GPUS_A_MACHINE,
    "100 Gbit/s for a machine of 8": 100e9 / 8 / GPUS_A_MACHINE,
}
SIZES = (8, 16, 64, 256)  # GPUs
JPEG = 163e3  # bytes of a picture, the mean of COCO's train2017: 19.3 GB of 118,287


def speak(index, number, port, rounds):
    """Join the others, agree `rounds` times; print the seconds of each in the first process."""
    sys.path.insert(0, str(ROOT))
    from keras_retinanet.utils import processes

    processes.start(f"127.0.0.1:{port}", number, index)
    processes.told(0)
    for step in range(rounds):
        begun = time.perf_counter()
        processes.largest(f"batch/{step}", [800 + index, 1333, 8])
        if index == 0:
            print(time.perf_counter() - begun)
    processes.told(0)


def agreement(number, rounds):
    """Return the seconds of each agreement among `number` processes, without the first ones."""
    sys.path.insert(0, str(ROOT))
    from keras_retinanet.bin.supervisor import free_port

    port = free_port()
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--speak", *map(str, (index, number, port, rounds))],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for index in range(number)
    ]
    output, _ = started[0].communicate(timeout=600)
    for process in started:
        process.wait(timeout=600)
    seconds = [float(line) for line in output.split()]
    return seconds[rounds // 10 :]


def reduced(parameters, gpus, rate):
    """Return the seconds in which float32 gradients are summed over `gpus` at `rate` bytes/s.

    A ring sends each value 2 (n - 1) / n times; within a machine it is taken to cost nothing.
    """
    machines = max(1, gpus // GPUS_A_MACHINE)
    return 2 * 4 * parameters * (machines - 1) / machines / (rate * GPUS_A_MACHINE)


def efficiencies(options):
    """Yield rows (network, GPUs, ms of summing, efficiency at worst, at best)."""
    step = options.step_ms / 1e3
    for name, rate in NETWORKS.items():
        for gpus in SIZES:
            summing = reduced(options.parameters, gpus, rate)
            yield name, gpus, 1e3 * summing, step / (step + summing), step / max(step, summing)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 4, 8, 16])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--parameters", type=int, default=PARAMETERS)
    parser.add_argument("--step-ms", type=float, default=34.6, help="of one GPU")
    parser.add_argument("--batch", type=int, default=16, help="pictures of it")
    parser.add_argument("--speak", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.speak:
        speak(options.speak[0], *options.speak[1:])
        return
    print(f"{report.machine()}; `{' '.join(sys.argv)}`\n")
    print("| processes | ms to agree on a batch, median | 95 % within |\n| --- | --- | --- |")
    for number in options.processes:
        seconds = sorted(agreement(number, options.rounds))
        middle, most = statistics.median(seconds), seconds[int(0.95 * len(seconds))]
        print(f"| {number} | {1e3 * middle:.2f} | {1e3 * most:.2f} |", flush=True)
    pictures = options.batch / options.step_ms * 1e3
    print(
        f"\nModel: a step of {options.step_ms} ms with {options.batch} pictures on a GPU, "
        f"{options.parameters:,} parameters: {4 * options.parameters / 1e6:.0f} MB of float32 "
        f"gradients; {pictures:.0f} pictures/s, {pictures * JPEG / 1e6:.0f} MB/s of JPEG for each "
        "GPU.\n"
    )
    print(
        "| network between machines | GPUs | ms to sum gradients | efficiency, summed after the "
        "step | while it runs | pictures/s, at worst | MB/s of JPEG |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, gpus, ms, worst, best in efficiencies(options):
        rate = pictures * gpus * worst
        print(
            f"| {name} | {gpus} | {ms:.1f} | {worst:.2f} | {best:.2f} | {rate:,.0f} | "
            f"{rate * JPEG / 1e6:,.0f} |"
        )


if __name__ == "__main__":
    main()
