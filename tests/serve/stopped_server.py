"""A process whose server a signal ends while a request is in work; for test_server.

python -m tests.serve.stopped_server NUMBER
"""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from keras_retinanet.serve.server import address_of, bound_socket, make_server
from tests.serve.conftest import BOXES, LIMITS, encoded, make, picture, until
from tests.serve.test_server import in_work, post


def main(number):
    """Ask, send the signal meanwhile, and assert that the answer came and all is as before."""
    app, runtime = make()
    bound, answers = bound_socket("127.0.0.1", 0), []
    address = SimpleNamespace(address=address_of(bound))

    def ask():
        runtime.gate.clear()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, address, encoded(picture(120, 200, **BOXES)))
            until(lambda: in_work(address) == 1)
            os.kill(os.getpid(), number)
            until(lambda: server.should_exit)
            runtime.gate.set()
            answers.append(answer.result())

    asking = threading.Thread(target=ask)
    server = make_server(app, LIMITS.connections, asking.start)
    before = signal.getsignal(number)
    server.run(sockets=[bound])
    asking.join()
    assert answers[0][0] == 200, answers
    assert signal.getsignal(number) is before


if __name__ == "__main__":
    main(int(sys.argv[1]))
