"""Whether a host can be reached, found out in seconds: TensorFlow Datasets would try for minutes before it gave up."""

import socket


def require(host, what, ways, received):
    """Raises FileNotFoundError with the ways forward, where `host` does not answer.

    Args:
        what: what is wanted from there.
        ways: what a user can do without it, one sentence.
    """
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError as error:
        raise FileNotFoundError(
            f"{what} is not here, and {host} cannot be reached ({error}). Ways forward: connect to the network and try "
            f"again; {ways}. Received: {received}"
        ) from error
