"""Work ahead of who takes it: an iterator run in a thread, with a bounded queue between."""

import queue
import threading

_END = object()
_PATIENCE = 0.1  # seconds between looks at whether anybody still wants items


def in_background(items, size):
    """Yield `items`, made by a thread of their own up to `size` ahead, in order.

    What goes wrong in the thread is raised here. Leaving off early ends the thread, and closes
    `items` where that is a generator.
    """
    waiting, stop = queue.Queue(size), threading.Event()

    def offer(entry):
        while not stop.is_set():
            try:
                return waiting.put(entry, timeout=_PATIENCE)
            except queue.Full:
                continue
        return None

    def fill():
        fault = None
        try:
            for item in items:
                offer((item, None))
                if stop.is_set():
                    break
        except BaseException as error:
            fault = error
        finally:
            getattr(items, "close", lambda: None)()
        offer((_END, fault))

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        while (entry := waiting.get())[0] is not _END:
            yield entry[0]
        if entry[1] is not None:
            raise entry[1]
    finally:
        stop.set()
        thread.join()
