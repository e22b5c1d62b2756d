"""A server under load: clients that ask without a pause, and clients that mean no good.

A server of its own for each batch size, one after the other. Each client asks again as soon as
it is answered, so that latency is the time in the queue; with `--hostile N`, N more clients send
bombs, garbage, halves of requests and bodies without end, vanish and are slow meanwhile.

    python benchmarks/serving.py --clients 16 --seconds 60 --batch-size 1 8 --hostile 4
"""

import argparse
import contextlib
import http.client
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import networks
import numpy as np
import report
import scenes

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((480, 640), (640, 480), (427, 640))  # of the pictures, pixels
ABOVE = 2000  # candidates of an 800 x 1344 picture
HEAD = ["batch", "answers", "others", "a second", "p50 ms", "p90 ms", "p99 ms", "max ms"]
HEAD += ["pictures a batch", "CPU ms a picture", "MB before", "MB at most"]


def parse_args(args=None):
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="model file; a drawn ResNet50 of 80 classes without")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--hostile", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--side", type=int, default=320, help="shorter side that the network sees")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tiny", action="store_true", help="a toy network: does it run?")
    return parser.parse_args(args)


def draw_model(path, tiny):
    """Write a network with random weights and a usual number of candidates."""
    from keras_retinanet.models.snapshot import save_snapshot

    network = networks.our_network({"dtype": "float32", "tiny": tiny, "classes": 80})
    networks.calibrate_ours(network, ABOVE)
    save_snapshot(network, path)


def draw_pictures():
    """Return the bytes of JPEG files of `SIZES`."""
    import cv2

    return [cv2.imencode(".jpg", scenes.picture(*size))[1].tobytes() for size in SIZES]


class Server:
    """retinanet-predict in a process of its own.

    Attributes:
        port: it answers on; from the line that it prints.
    """

    def __init__(self, model, side, batch_size):
        words = [model, "--serve", "0", "--batch-size", str(batch_size)]
        words += ["--image-min-side", str(side), "--image-max-side", str(2 * side)]
        command = [sys.executable, ROOT / "bin" / "predict.py", *words]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line.startswith("answering on "):
            raise RuntimeError(f"the server did not start: {line!r}")
        self.port = int(line.split(";")[0].split(",")[0].rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.terminate()
        code = self._process.wait(60)
        if code:
            raise RuntimeError(f"the server ended with exit code {code}")

    def memory(self, field="VmRSS"):
        """Return MB that the server holds, or held at most ("VmHWM")."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024

    def forget_peak(self):
        """Let what it held at most count from now on."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def cpu(self):
        """Return the CPU seconds of all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path):
        """Return the text at a path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def pictures_a_batch(self):
        """Return the mean of its batches."""
        lines = (line.rsplit(" ", 1) for line in self.get("/metrics").splitlines())
        numbers = {name: value for name, value in lines if name.startswith("retinanet_batch")}
        count = float(numbers["retinanet_batch_pictures_count"])
        return float(numbers["retinanet_batch_pictures_sum"]) / max(count, 1)


def ask(port, pictures, end, seconds, others):
    """Ask until `end`; append the seconds of each answer, count what else came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for picture in itertools.cycle(pictures):
        start = time.perf_counter()
        if start >= end:
            break
        try:
            connection.request("POST", "/detect", picture)
            reply = connection.getresponse()
            content = json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            others[type(error).__name__] += 1
            connection.close()
            continue
        if reply.status == 200 and "detections" in content:
            seconds.append(time.perf_counter() - start)
        else:
            others[str(reply.status)] += 1
    connection.close()


def _chunk(kind, content):
    checked = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checked


def bomb(width, height, levels):
    """Return a PNG file that states a size, and holds `levels` zeros in few bytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(levels), 9)
    parts = _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def head(length):
    """Return the head of a request whose body has so many bytes."""
    return b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length


def hostile_texts(picture):
    """Return {name: bytes that are sent before the client hangs up}."""
    huge, hollow = bomb(60_000, 60_000, 10**6), bomb(6000, 6000, 10**8)
    form = b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n"
    return {
        "bomb": head(len(huge)) + huge,
        "hollow picture": head(len(hollow)) + hollow,
        "cut picture": head(len(picture) // 2) + picture[: len(picture) // 2],
        "garbage": head(5000) + os.urandom(5000),
        "no HTTP": os.urandom(5000),
        "half a head": b"POST /detect HTT",
        "half a body": head(len(picture)) + picture[:1000],
        "stated too long": head(2**40) + bytes(2**20),
        "without end": b"POST /detect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + 64 * (b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n"),
        "broken form": b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + form + bytes(4000),
    }


def harm(port, texts, end, counts):
    """Send what no client should until `end`: whole, then hang up at once or wait a second."""
    for wait, name in itertools.cycle(itertools.product((0.001, 1.0), texts)):
        if time.perf_counter() >= end:
            return
        with contextlib.suppress(OSError):  # refused, hung up or not answered in time
            send(port, texts[name], wait)
        counts[name] += 1


def send(port, text, wait):
    """Send bytes, wait some seconds for an answer, and hang up."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.settimeout(10)
        client.sendall(text)
        client.settimeout(wait)
        client.recv(4096)


def measure(args, model, batch_size, pictures):
    """Return the cells of a table's row, and what hostile clients did."""
    seconds, others, harms, threads = [], Counter(), Counter(), []
    texts = hostile_texts(pictures[0])
    with Server(model, args.side, batch_size) as server:
        # it freezes its variables meanwhile, which takes more memory than all that follows
        ask(server.port, pictures, time.perf_counter() + min(40, args.seconds), [], Counter())
        server.forget_peak()
        before, cpu, start = server.memory(), server.cpu(), time.perf_counter()
        end = start + args.seconds
        work = (server.port, pictures, end, seconds, others)
        threads += [threading.Thread(target=ask, args=work) for _ in range(args.clients)]
        work = (server.port, texts, end, harms)
        threads += [threading.Thread(target=harm, args=work) for _ in range(args.hostile)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, cpu = time.perf_counter() - start, server.cpu() - cpu
        most, mean = server.memory("VmHWM"), server.pictures_a_batch()
        assert json.loads(server.get("/health"))["status"] == "ok"
    points = np.percentile(seconds, [50, 90, 99, 100]) * 1000
    row = [batch_size, len(seconds), dict(others) or 0, f"{len(seconds) / wall:.1f}"]
    row += [f"{point:.0f}" for point in points]
    row += [f"{mean:.1f}", f"{1000 * cpu / len(seconds):.0f}", f"{before:.0f}", f"{most:.0f}"]
    return row, harms


def main(args=None):
    """Print a table with a row for each batch size; return the rows."""
    args = parse_args(args)
    rows, harms = [], Counter()
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        model = args.model or str(Path(folder) / "drawn.keras")
        if not args.model:
            draw_model(model, args.tiny)
        pictures = draw_pictures()
        for batch_size in args.batch_size:
            row, done = measure(args, model, batch_size, pictures)
            rows.append(row)
            harms += done
    command = " ".join(["python benchmarks/serving.py", *sys.argv[1:]])
    print(f"`{command}`. {report.machine()}.", end="\n\n")
    for line in (HEAD, ["---"] * len(HEAD), *rows):
        print("| " + " | ".join(str(cell) for cell in line) + " |")
    if harms:
        print("\nHostile: " + ", ".join(f"{name} {count}" for name, count in harms.items()) + ".")
    return rows


if __name__ == "__main__":
    main()
