"""Run commands as processes of their own that need not import what all of them import."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.support.paths import ROOT
from tests.support.waiting import wait_for

_SHIM = """\
#!{python} -SE
import json, os, signal, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({path!r})
asked = {{"words": [{name!r}, *sys.argv[1:]], "environment": dict(os.environ), "folder": os.getcwd()}}
socket.send_fds(link, [json.dumps(asked).encode()], [0, 1, 2])
told = link.makefile()
pid = int(told.readline())
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _frame: os.kill(pid, number))
sys.exit(int(told.readline() or 1))
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class WarmProcess:
    """What `subprocess.Popen` gives, as far as tests need it."""

    def __init__(self, link: socket.socket) -> None:
        self._told = link.makefile()
        self._link = link
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self) -> int:
        """Its exit status; that of a kill if it ended without one."""
        if self.returncode is None:
            self.returncode = int(self._told.readline() or -signal.SIGKILL)
            self._told.close()
            self._link.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit status, if it has ended."""
        if self.returncode is None:
            try:
                self._link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
        return self.wait()

    def kill(self) -> None:
        """End it as `kill -9` does, and wait for that."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it may end at this moment
                os.kill(self.pid, signal.SIGKILL)
        self.wait()


class Warm:
    """Starts processes; a context that ends the one that they come from."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Warm:
        with ExitStack() as stack:  # undone where a process may not be started
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warm")))
            self._path = str(folder / "socket")
            self.commands = folder / "bin"
            self.commands.mkdir()
            for name in ("mmad-rag", "python"):
                shim = self.commands / name
                shim.write_text(_SHIM.format(python=sys.executable, path=self._path, name=name))
                shim.chmod(0o755)
            server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.servers.warm_server", self._path],
                cwd=ROOT,
                # Threads do not survive a fork; whether there is a hub is read when its client is imported.
                env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            )
            stack.callback(server.wait)
            stack.callback(server.kill)
            wait_for(Path(self._path).exists, "the process that others come from listens", process=server)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def start(
        self,
        *words: object,
        folder: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        stdout: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> WarmProcess:
        """Start `mmad-rag ...` or `python ...`; what it prints goes to these files, or nowhere."""
        asked = {
            "words": [str(word) for word in words],
            "environment": dict(os.environ if environment is None else environment),
            "folder": str(folder),
        }
        link = socket.socket(socket.AF_UNIX)
        link.connect(self._path)
        with Path(os.devnull).open("r+b") as nothing:
            streams = [stream or nothing for stream in (None, stdout, stderr)]
            socket.send_fds(link, [json.dumps(asked).encode()], [stream.fileno() for stream in streams])
        return WarmProcess(link)

    def run(self, *words: object, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Done:
        """Run such a command to its end."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self.start(*words, folder=folder, environment=environment, stdout=out, stderr=err)
            code = process.wait()
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode())
        return Done(code, *texts)

    def shell(self, code: str, *, folder: Path | None = None) -> Done:
        """Run lines of shell, in which `mmad-rag` and `python` are such processes."""
        shell = shutil.which("sh")
        assert shell is not None
        path = f"{self.commands}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [shell, "-e", "-c", code],
            cwd=folder,
            env=os.environ | {"PATH": path, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)
