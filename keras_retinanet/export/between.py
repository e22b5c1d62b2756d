"""Which operators of a graph lie between its convolutions: the part that computes in int8.

What comes before the first, normalisation, and after the last of each head, decoding and
suppression, has numbers that 256 levels do not hold: pixels of large pictures, logits.
"""


def reachable(start, neighbours):
    """Return the set of nodes that `neighbours` leads to from `start`, without `start` itself.

    Args:
        start: nodes.
        neighbours: f(node) -> nodes.
    """
    seen, waiting = set(), list(start)
    while waiting:
        for node in neighbours(waiting.pop()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


def between(convolutions, before, after):
    """Return (inner, last): nodes that lie between convolutions, those among them; last ones.

    Args:
        convolutions: nodes.
        before, after: f(node) -> nodes that it takes from, that take from it.

    The last convolutions are those that no other takes from; `inner` has all others, and what lies
    on a way from one convolution to another.
    """
    convolutions = set(convolutions)
    inner = reachable(convolutions, after) & reachable(convolutions, before)
    last = {node for node in convolutions if not reachable([node], after) & convolutions}
    return (inner | convolutions) - last, last
