"""The connection to a Ray cluster: one on this machine that starts and ends with it, or one that is there already.

A local cluster listens on the loopback interface alone, demands a token that is drawn for it, has no dashboard, reports
no usage, and keeps its files in a folder that goes when it ends. What Ray changes for the whole process (environment,
handlers of signals, warning filters, Python's random stream) is put back.

Sources: https://docs.ray.io/en/latest/ray-security/token-auth.html (tokens, on by default for local clusters since
2.59); ray-project/ray#7418 (a Ray node that is given 127.0.0.1 takes the machine's outer address instead).
"""

import logging
import os
import random
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from wellposed.checks import refusal
from wellposed.errors import BadInput

OLDEST = (2, 59)
"""Of Ray: before, a local cluster had no token of its own."""
ANSWER_SECONDS = 10.0
"""How long a machine may take to accept a connection."""


def import_ray() -> Any:
    """Ray's module.

    Raises:
        BadInput: It is not installed, or too old.
    """
    try:
        import ray
    except ImportError as fault:
        raise BadInput('--engine ray needs Ray. Got none. Do: pip install "wellposed[ray]".') from fault
    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise refusal("Ray", f"be {oldest} or newer", ray.__version__, 'Do: pip install -U "wellposed[ray]".')
    return ray


class Cluster:
    """A connection to Ray, open until it is closed; one at a time in a process.

    Where this process is connected to Ray already, that connection is used and left open.

    Args:
        address: "auto", "host:port" or "ray://host:port" of a cluster that is there; None for one on this machine.
        gpus: Whether the tasks need GPUs.

    Attributes:
        ray: The module.
        local: Whether the cluster began, and ends, with the connection.
        open: Whether it has not been closed.

    Raises:
        BadInput: Ray is not installed, does not start, or is not at the address.
    """

    def __init__(self, address: str | None = None, *, gpus: bool = False) -> None:
        with ExitStack() as stack:
            with unchanged():
                self.ray = import_ray()
                shared = self.ray.is_initialized()
                if shared and address is not None:
                    do = "Leave the address out to use that connection, or call ray.shutdown() before."
                    raise refusal("A process", "be connected to one Ray cluster", "a second address", do)
                self.local = not shared and address is None
                if not shared:
                    stack.enter_context(_quiet(self.ray))
                    arguments: dict[str, Any] = {} if address is not None else {"num_gpus": None if gpus else 0}
                    if self.local:
                        stack.callback(_forget_token, self.ray)
                        arguments["_temp_dir"] = stack.enter_context(_folder())
                    stack.callback(self.ray.shutdown)
                    self._connect(address, arguments)
            self._stack = stack.pop_all()
        self.open = True

    def slots(self, *, cpus: int, gpus: int) -> int:
        """How many tasks of this size the machines of the cluster can run at once."""
        each = [node.get("Resources", {}) for node in self.ray.nodes() if node.get("Alive")]
        needs = {name: need for name, need in (("CPU", cpus), ("GPU", gpus)) if need}
        return sum(min(int(own.get(name, 0) // need) for name, need in needs.items()) for own in each)

    def cpus(self) -> int:
        """Of the largest machine that is there; 0 where there is none yet."""
        each = [node.get("Resources", {}) for node in self.ray.nodes() if node.get("Alive")]
        return int(max((own.get("CPU", 0) for own in each), default=0))

    def close(self) -> None:
        """Leave the cluster; a local one ends, with all its processes and files."""
        if self.open:
            self.open = False
            with unchanged():
                self._stack.close()

    def _connect(self, address: str | None, arguments: dict[str, Any]) -> None:
        local = address is None
        if address is not None:
            _refuse_nobody(address)
        common: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
        try:
            with _protected(self.ray) if local else ExitStack():
                if local:
                    common |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
                self.ray.init(address or "local", **common, **arguments)
        except (self.ray.exceptions.RayError, OSError, RuntimeError, ValueError, ImportError, AssertionError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if local:
                raise refusal("A Ray cluster on this machine", "start", said, "Use the local engine.") from error
            do = "Give host:port, ray://host:port or auto; its token belongs in RAY_AUTH_TOKEN or ~/.ray/auth_token."
            raise refusal(f"The Ray cluster at {address}", "answer", said, do) from error


def _refuse_nobody(address: str) -> None:
    """Refuse an address at which nobody listens: Ray itself would wait for minutes."""
    if address == "auto":
        return
    parts = urlsplit(address if "://" in address else f"//{address}")
    must, do = "be auto, host:port or ray://host:port, with a cluster there", "Look at `ray status` on its machine."
    try:
        host, port = parts.hostname, parts.port
        if not host or not port:
            raise refusal("The address of the Ray cluster", must, address)
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        said = getattr(error, "strerror", None) or error
        raise refusal("The address of the Ray cluster", must, f"{address}: {said}", do) from error


@contextmanager
def unchanged() -> Iterator[None]:
    """Put back what importing, joining and leaving Ray changes for the whole process."""
    hook, stream = sys.excepthook, random.getstate()
    before = {name: value for name, value in os.environ.items() if _is_rays(name)}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            sys.excepthook = hook
            random.setstate(stream)
            for name in [name for name in os.environ if _is_rays(name) and name not in before]:
                del os.environ[name]
            os.environ.update(before)
            if threading.current_thread() is threading.main_thread():
                for number, handler in handlers.items():
                    signal.signal(number, handler)


def _is_rays(name: str) -> bool:
    return name.startswith("RAY_") or name == "PYTHONBREAKPOINT"


@contextmanager
def _protected(ray: Any) -> Iterator[None]:
    """Let a cluster that starts meanwhile listen on loopback alone, demand a token of its own, and report no usage."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # the mode "token" is Ray's own default then
        _forget_token(ray)
    constants = ray._private.ray_constants
    whole = getattr(constants, "ENABLE_RAY_CLUSTER", True)
    constants.ENABLE_RAY_CLUSTER = False  # as on a Mac; else Ray takes the outer address for 127.0.0.1
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = whole


def _forget_token(ray: Any) -> None:
    """Let Ray look for its token again: it reads it once in the life of a process."""
    with suppress(AttributeError):
        ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Keep what Ray says of its workers off this process's output, which may be read by machines."""
    logger, worker = logging.getLogger("ray"), ray._private.worker
    level, told = logger.level, getattr(worker, "_worker_logs_enabled", True)
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = told
        logger.setLevel(level)


@contextmanager
def _folder() -> Iterator[str]:
    """A folder for the cluster's files; its path is short, for the names of sockets may have 107 bytes."""
    where = "/tmp" if os.path.isdir("/tmp") and os.access("/tmp", os.W_OK) else None
    path = tempfile.mkdtemp(prefix="wellposed-", dir=where)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
