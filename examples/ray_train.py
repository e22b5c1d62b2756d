"""retinanet-train on a Ray cluster: Ray places the processes, and begins again when one is lost.

    pip install "keras-retinanet[ray]"
    python examples/ray_train.py --workers 16 --gpus 1 -- --batch-size 256 --recipe paper-1x \
        --snapshot-path /shared/runs --run-name first coco /shared/coco

Behind `--` stand the words of retinanet-train, with a --run-name; its paths must lie where all
machines see them. Each worker runs the command as a program, so that nothing of a lost one
stays behind. Ray's own folder keeps its logs alone: weights and checkpoints are the run's.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys


def die_with_parent():
    """Let Linux kill this process where the worker that started it is killed."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def train(config):
    """Be one process of the training; on a worker."""
    import ray
    import ray.train.collective

    from keras_retinanet.bin.supervisor import free_port

    context = ray.train.get_context()
    address = f"{ray.util.get_node_ip_address()}:{free_port()}"
    words = [
        *config["words"],
        *("--resume", "auto", "--processes", str(context.get_world_size())),
        *("--coordinator", ray.train.collective.broadcast_from_rank_zero(address)),
        *("--process-id", str(context.get_world_rank())),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "keras_retinanet.bin.train", *words],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        raise RuntimeError(f"retinanet-train ended with exit code {done.returncode}")


def parse(args=None):
    """Return the options; `words` are those of retinanet-train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, required=True, help="processes in all")
    parser.add_argument("--gpus", type=float, default=1, help="of each; 0 for the processor")
    parser.add_argument("--cpus", type=float, default=4, help="of each")
    parser.add_argument("--failures", type=int, default=10, help="times to begin again")
    parser.add_argument("--storage", help="Ray's folder, seen by all machines")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="-- and retinanet-train's words")
    options = parser.parse_args(args)
    options.words = options.words[options.words[:1] == ["--"] :]
    if not any(word.split("=")[0] == "--run-name" for word in options.words):
        parser.error("retinanet-train needs a --run-name, by which a lost run is found again")
    return options


def main(args=None):
    """Train on the cluster that RAY_ADDRESS names, or on this machine."""
    options = parse(args)
    try:
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
    except ImportError:
        sys.exit("ray_train.py needs Ray: pip install 'keras-retinanet[ray]'")
    ray.init()
    resources = {"CPU": options.cpus} | ({"GPU": options.gpus} if options.gpus else {})
    trainer = DataParallelTrainer(
        train,
        train_loop_config={"words": options.words},
        scaling_config=ScalingConfig(
            num_workers=options.workers,
            use_gpu=options.gpus > 0,
            resources_per_worker=resources,
        ),
        run_config=RunConfig(
            storage_path=options.storage,
            failure_config=FailureConfig(max_failures=options.failures),
        ),
    )
    trainer.fit()


if __name__ == "__main__":
    main()
