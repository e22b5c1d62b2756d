"""The Markdown that a benchmark prints: where it ran, and a table."""

import datetime
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

PACKAGES = (
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "jax",
    "torch",
    "torchvision",
    "keras-hub",
    "numpy",
    "opencv-python-headless",
    "pycocotools",
)


def versions():
    """Return {package: version} of what this process has imported or could import."""
    found = {}
    for name in PACKAGES:
        module = {"opencv-python-headless": "cv2", "tensorflow-cpu": "tensorflow"}.get(name, name)
        if module.replace("-", "_") in sys.modules:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def cpu_model():
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine():
    """Return one line: date, processor, cores, load, Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{datetime.date.today().isoformat()}, {cpu_model()}, {cores} cores, "
        f"load at the end {load}, Python {platform.python_version()}"
    )


def milliseconds(seconds):
    """Return seconds as milliseconds with three digits."""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def fastest_peer(rows, case, peers):
    """Return the CPU seconds of the fastest peer of a case, None if no peer ran it."""
    seconds = [
        result["cpu"]
        for label, name, result in rows
        if label == case and name in peers and "skipped" not in result["facts"]
    ]
    return min(seconds, default=None)


def table(rows, peers):
    """Return the lines of a table.

    Args:
        rows: [(case, contender, {"cpu", "wall", "facts", "runs"}), …].
        peers: names of the contenders that are not ours; the last column divides by the CPU time
            of the fastest of them.
    """
    has_gflop = any("gflop" in result["facts"] for _, _, result in rows)
    has_peers = any(name in peers for _, name, _ in rows)
    head = ["case", "what", "CPU ms", "wall ms", "runs"]
    head += ["GFLOP/s of CPU time"] * has_gflop + ["CPU / fastest peer"] * has_peers + ["notes"]
    lines = [head, ["---"] * len(head)]
    for case, name, result in rows:
        facts = dict(result["facts"])
        gflop = facts.pop("gflop", None)
        if "skipped" in facts:
            lines.append([case, name, *[""] * (len(head) - 3), facts["skipped"]])
            continue
        line = [case, name, milliseconds(result["cpu"]), milliseconds(result["wall"])]
        line.append(str(result["runs"]))
        if has_gflop:
            line.append(f"{gflop / result['cpu']:.0f}" if gflop else "")
        if has_peers:
            fastest = fastest_peer(rows, case, peers)
            line.append(f"{result['cpu'] / fastest:.2f}" if fastest else "")
        line.append(", ".join(f"{key} {value}" for key, value in facts.items()))
        lines.append(line)
    return ["| " + " | ".join(line) + " |" for line in lines]


def page(title, command, rows, peers, packages, notes, seconds):
    """Return the whole report as Markdown."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    shown = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
    lines = [
        f"### {title}",
        "",
        f"`{command}`, backend {backend}, took {seconds:.0f} s. {machine()}; {shown}.",
        "",
        *table(rows, peers),
    ]
    lines += ["", *[f"- {note}" for note in notes]] if notes else []
    return "\n".join(lines)
