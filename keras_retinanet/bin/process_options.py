"""--coordinator, --processes, --process-id: a command in several processes, on JAX.

SLURM and Open MPI tell each process who it is, a Kubernetes job with completion mode Indexed which
number it has. Where nobody tells, and there is no --coordinator, they are started on this machine.
"""

import argparse
import os
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass

from keras_retinanet.bin.console import Unfinished, number
from keras_retinanet.bin.train_devices import uneven

PORT = 29400  # of process 0, where its host alone is known
OWN = ("coordinator", "processes", "process_id", "restarts")  # options that are not the run's
OWN_OPTIONS = {f"--{name.replace('_', '-')}" for name in OWN}


@dataclass(frozen=True)
class Cluster:
    """Which variables of the environment tell a process who it is.

    Attributes:
        name: of what started the process.
        number, index, local: variables of the processes, of this one, and of it on its machine.
        needed: variables from which JAX finds the coordinator.
    """

    name: str
    number: tuple
    index: str
    local: str
    needed: tuple


CLUSTERS = (
    Cluster(
        "SLURM",
        ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"),
        "SLURM_PROCID",
        "SLURM_LOCALID",
        ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS"),
    ),
    Cluster(
        "Open MPI",
        ("OMPI_COMM_WORLD_SIZE",),
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        ("OMPI_MCA_orte_hnp_uri",),
    ),
)
KUBERNETES = "JOB_COMPLETION_INDEX"


@dataclass(frozen=True)
class Membership:
    """Who this process is among those that train together.

    Attributes:
        coordinator: HOST:PORT, None where JAX finds it.
        number, index: of the processes, and of this one.
        local: which it is on its machine, None where nobody tells.
    """

    coordinator: str | None
    number: int
    index: int
    local: int | None = None


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as node1:{PORT}")
    return text


def add_processes(parser):
    """Add the options."""
    parser.add_argument(
        "--processes",
        type=number(int, low=1),
        metavar="N",
        help="processes that work together on JAX; started here, unless a cluster did",
    )
    parser.add_argument(
        "--coordinator", type=_address, metavar="HOST:PORT", help="of process 0, for all of them"
    )
    parser.add_argument(
        "--process-id", type=number(int, low=0), metavar="I", help="which this one is, from 0"
    )


def add_restarts(parser):
    """Add the option."""
    parser.add_argument(
        "--restarts",
        type=number(int, low=0),
        default=3,
        help="times that processes started here begin again without a new checkpoint",
    )


def started_by(environment=os.environ):
    """Return the `Cluster` that started this process among several, or None."""
    for cluster in CLUSTERS:
        if cluster.index in environment and _number_of(cluster, environment) > 1:
            in_step = cluster.name != "SLURM" or "SLURM_STEP_NODELIST" in environment
            if in_step:  # the script of a job is alone, whatever steps it may start
                return cluster
    return None


def _number_of(cluster, environment):
    return int(next((environment[name] for name in cluster.number if name in environment), 1))


def membership(args, environment=os.environ):
    """Return the `Membership` of this process, None where it trains alone or starts the others.

    Raises:
        ValueError: something is missing or contradicts.
    """
    if args.processes == 1 and args.coordinator is None:
        return None
    cluster = started_by(environment)
    coordinator, count, index = args.coordinator, args.processes, args.process_id
    local = None
    if cluster is not None:
        count = count or _number_of(cluster, environment)
        index = int(environment[cluster.index]) if index is None else index
        local = int(environment[cluster.local]) if cluster.local in environment else None
        if coordinator is None and not all(name in environment for name in cluster.needed):
            raise ValueError(
                f"{cluster.name} does not tell where process 0 is; give --coordinator HOST:PORT"
            )
    elif KUBERNETES in environment and count:
        index = int(environment[KUBERNETES]) if index is None else index
        coordinator = coordinator or first_pod(index, socket.getfqdn())
    elif coordinator is None:
        if index is not None:
            raise ValueError(f"--process-id {index} needs --coordinator HOST:PORT and --processes")
        return None
    if count is None or index is None:
        raise ValueError("--coordinator needs --processes and --process-id, or a cluster's word")
    if index >= count:
        raise ValueError(f"--process-id {index} must be less than --processes {count}")
    return Membership(coordinator, count, index, local)


def first_pod(index, name):
    """Return HOST:PORT of the pod with index 0, next to the pod `index` whose full name is `name`.

    Raises:
        ValueError: the name does not end in the index, as those of indexed jobs do.
    """
    pod, dot, domain = name.partition(".")
    if not pod.endswith(f"-{index}"):
        raise ValueError(
            f"the host {name} is not named as the pod {index} of an indexed job; "
            "give --coordinator HOST:PORT"
        )
    return f"{pod.removesuffix(str(index))}0{dot}{domain}:{PORT}"


def process_contradictions(args):
    """Yield what is wrong with several processes beside the other options."""
    try:
        member = membership(args)
    except ValueError as error:
        yield str(error)
        return
    count = member.number if member else args.processes or 1
    if count == 1:
        return
    cluster = started_by()
    who = f"{cluster.name} started {count} processes" if cluster else f"--processes {count}"
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "jax":
        alone = ", or --processes 1 to let each work alone" if cluster else ""
        yield f"{who}: they work together on JAX alone; set KERAS_BACKEND=jax{alone}"
    if hasattr(args, "batch_size"):
        yield from _training_contradictions(args, who, count)


def _training_contradictions(args, who, count):
    if not args.batch_size:
        yield f"{who}: --batch-size auto is tried in one process; give a number"
    elif problem := uneven(args.batch_size, args.devices, count):
        yield problem
    if args.plan:
        yield f"{who}: --plan measures one process; leave the others out"


def starts_others(args):
    """Return whether this process is to start those that train, and to watch over them."""
    return (args.processes or 1) > 1 and membership(args) is None


def supervise_once(command, args):
    """Run a command of `bin` in --processes processes on this machine; end with their exit code."""
    from keras_retinanet.bin.supervisor import Supervisor

    program = (sys.executable, "-m", f"keras_retinanet.bin.{command}")
    where = {"folder": ".", "restarts": 0, "on_cpu": args.gpu == "cpu"}
    supervisor = Supervisor(
        args.words, args.processes, 1, report=lambda line: None, program=program, **where
    )
    sys.exit(supervisor.run())


def join(args):
    """Join the other processes, if there are any; before JAX is used."""
    member = membership(args)
    if member is None:
        return
    from keras_retinanet.utils import processes

    devices = getattr(args, "devices", 1)
    first = (member.local or 0) * devices
    processes.start(
        member.coordinator,
        member.number,
        member.index,
        # without, SLURM and Open MPI mean one device for each process
        list(range(first, first + devices)) if devices > 1 else None,
    )


@contextmanager
def together(prog, advice):
    """Say in one line that other processes are lost; the command `prog` then ends with 1."""
    from keras_retinanet.utils import processes

    try:
        yield
    except Exception as error:
        if processes.number() == 1 or not processes.is_lost(error):
            raise
        reason = str(error).splitlines()[0]
        print(
            f"{prog}: process {processes.index()}: the others are lost ({reason}); {advice}",
            file=sys.stderr,
        )
        raise Unfinished from error


def end(code):
    """End this process with an exit code.

    Where others train with it, a failure does not wait for them: they wait for this one.
    """
    from keras_retinanet.utils import processes

    if code and processes.number() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
