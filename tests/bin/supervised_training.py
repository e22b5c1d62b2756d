"""retinanet-train as a program that starts others, all of which know the backbone of the tests.

python -m tests.bin.supervised_training WORDS...
"""

import sys

if __name__ == "__main__":
    from keras_retinanet.bin import console, train
    from keras_retinanet.bin.supervisor import Supervisor
    from tests import sketch

    Supervisor.program = (sys.executable, "-m", "tests.bin.killed_training", "never")
    with sketch.known():
        sys.exit(console.run(lambda: train.main(sys.argv[1:]), train.PROG))
