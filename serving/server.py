"""The server process: one model, one REST port, no other door."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

from kserve import ModelServer

from components.errors import InputError
from serving.dataplane import ReadmissionDataPlane, SealedRepository
from serving.logs import logger
from serving.predictor import ReadmissionPredictor
from serving.rest import RestServer

_BACKLOG = 2048


class ReadmissionServer(ModelServer):
    """kserve's model server on one listening socket: REST alone, one worker."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(
            http_port=listener.getsockname()[1],
            workers=1,
            enable_grpc=False,
            enable_latency_logging=False,
        )
        self.dataplane = ReadmissionDataPlane(model_registry=self.registered_models)
        self.model_repository_extension = SealedRepository(model_registry=self.registered_models)
        self.rest = RestServer(self.dataplane, self.model_repository_extension, listener)

    def start(self, models: Sequence[ReadmissionPredictor]) -> None:
        """Serve the models until a signal ends the process.

        kserve's own ``start`` builds the REST server that binds every interface.
        """
        for model in models:
            self.register_model(model)
        asyncio.run(self.rest.start())


def serve(bundle_dir: Path, version: str, host: str, port: int, max_batch: int) -> None:
    """Load a bundle, prove it, then listen and serve it until a signal ends the process.

    Raises:
        BundleError: the bundle is altered, or this runtime does not reproduce its numbers.
        InputError: the address cannot be listened on.
    """
    model = ReadmissionPredictor(bundle_dir, version, max_batch)
    model.load()
    with listen(host, port) as listener:
        address = listener.getsockname()
        fields = {"version": version, "bundle": model.bundle.digest}
        logger.info("listening on %s port %d", *address[:2], extra={"fields": fields})
        ReadmissionServer(listener).start([model])


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        InputError: the port is taken, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is spelt out because asyncio sets TCP_NODELAY only on sockets that name it;
    # without it each answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A server that was just stopped leaves its port in TIME_WAIT; that is no other server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot listen on {host} port {port}: {reason}; choose another --port or --host"
        ) from error
    return listener
