"""A quick check that a host can be reached; TensorFlow Datasets retries for minutes before it gives up."""

import socket


def require(host, what, alternatives, received):
    """Raises FileNotFoundError, with what the user can do, if `host` cannot be reached within five seconds.

    Args:
        host: name of the host.
        what: the data set that would be downloaded from it, at the start of a sentence.
        alternatives: what the user can do without the network, in the imperative.
        received: the arguments that led here.
    """
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError as error:
        raise FileNotFoundError(
            f"{what} was not found on this machine, and {host} cannot be reached ({error}). Connect to the network and "
            f"try again, or {alternatives}. Received: {received}"
        ) from error
