"""An interpreter for tests that start one: forked from a process that has imported Keras, which else takes seconds.

`python tests/interpreters.py SOCKET` is that process. A script that stands in for the interpreter hands it arguments,
environment, folder and streams, and ends as the fork ends.
"""

import array
import atexit
import json
import os
import runpy
import signal
import socket
import sys
import traceback
import types

import numpy as np

STAND_IN = """#!{python} -IS
import array, contextlib, json, os, signal, socket, sys

try:
    streams = array.array("i", [stream for stream in (0, 1, 2) if os.fstat(stream)])
except OSError:  # one is closed: nothing to hand over
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
order = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
connection.sendmsg([len(order).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
connection.sendall(order)
status = int(connection.recv(100))
if status < 0:
    with contextlib.suppress(OSError):  # SIGKILL has no other handler
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


def write_stand_in(path, python, address):
    path.write_text(STAND_IN.format(python=python, address=str(address)))
    path.chmod(0o755)


def serve(address):
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    import keras  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks that wait
    while True:
        connection, _ = server.accept()
        if os.fork():
            connection.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        child = os.fork()
        if not child:
            take_over(connection, server)
        _, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)


def take_over(connection, server):
    """Be the interpreter that was ordered, to its end."""
    size, [(_, _, streams)], *_ = connection.recvmsg(8, socket.CMSG_SPACE(12))
    order = b""
    while len(order) < int.from_bytes(size, "big"):
        order += connection.recv(65536)
    arguments, folder, environment = json.loads(order)
    for stream, received in enumerate(array.array("i", streams)):
        os.dup2(received, stream)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    connection.close(), server.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    np.random.seed()  # as Python's own generator is seeded anew
    status = 0
    try:
        run(*arguments)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if error.code is not None and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(status)


def run(what, *arguments):
    """As `python` does: -c code, -m module, or a script."""
    if what == "-c":
        sys.argv, main = ["-c", *arguments[1:]], types.ModuleType("__main__")
        sys.path.insert(0, "")
        sys.modules["__main__"] = main
        exec(compile(arguments[0], "<string>", "exec"), vars(main))
    elif what == "-m":
        sys.argv = list(arguments)
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [what, *arguments]
        sys.path.insert(0, os.path.dirname(os.path.abspath(what)))
        runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
