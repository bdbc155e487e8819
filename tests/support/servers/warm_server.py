"""Processes that begin with the library's heavy packages imported: one imports them, and forks for each."""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import NoReturn


def serve(path: str) -> None:
    """Fork for each connection until the process that started this one is gone."""
    _preload()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.settimeout(1.0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that ended are not waited for
    parent = os.getppid()
    while os.getppid() == parent:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            _become(connection)
        connection.close()


def _preload() -> None:
    import mmad_rag.cli
    from mmad_rag.encoders.repair import import_torchvision

    import_torchvision()
    import open_clip  # noqa: F401 - that it is imported is all that is wanted

    assert mmad_rag.cli
    gc.freeze()


def _become(connection: socket.socket) -> NoReturn:
    """Take arguments, environment, folder and streams from the connection, and run what they say."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, streams, _, _ = socket.recv_fds(connection, 2**20, 3)
    asked = json.loads(data)
    for stream, number in zip(streams, (0, 1, 2), strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    connection.sendall(f"{os.getpid()}\n".encode())
    try:
        _run(asked["words"])
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:  # as Python itself ends
        traceback.print_exc()
        code = 1
    _end(connection, code)


def _end(connection: socket.socket, code: int) -> NoReturn:
    """End as Python does, but without taking apart every module, which takes seconds."""
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(f"{code}\n".encode())
    os._exit(code)


def _run(words: list[str]) -> None:
    """`mmad-rag ...`, `python -c ...`, `python -m ...` or `python FILE ...`."""
    command, *rest = words
    if Path(command).name == "mmad-rag":
        from mmad_rag.cli import main

        sys.argv = words
        main()
    elif rest[0] == "-c":
        sys.argv = rest[:1] + rest[2:]
        exec(rest[1], {"__name__": "__main__"})  # noqa: S102 - our own tests
    elif rest[0] == "-m":
        sys.argv = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = rest
        sys.path.insert(0, str(Path(rest[0]).parent))
        runpy.run_path(rest[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
