"""The server process: one model, a REST port, a gRPC port where asked for, no other door."""

from __future__ import annotations

import asyncio
import gc
import socket
from dataclasses import dataclass
from pathlib import Path

import uvloop
from kserve import ModelServer

from components.errors import InputError
from serving.dataplane import ReadmissionDataPlane, SealedRepository
from serving.logs import logger
from serving.predictor import Options, ReadmissionPredictor
from serving.rest import Limits, RestServer
from serving.rpc import GrpcServer, ReadmissionServicer

_BACKLOG = 2048


class ReadmissionServer(ModelServer):
    """kserve's model server around one model: REST on a listening socket, gRPC where asked for."""

    def __init__(
        self, listener: socket.socket, model: ReadmissionPredictor, limits: Limits | None = None
    ) -> None:
        super().__init__(
            http_port=listener.getsockname()[1],
            workers=1,
            enable_grpc=False,
            enable_latency_logging=False,
        )
        self.dataplane = ReadmissionDataPlane(model_registry=self.registered_models)
        self.model_repository_extension = SealedRepository(model_registry=self.registered_models)
        self._model, self._limits = model, limits or Limits()
        self.register_model(model)
        self.rest = RestServer(
            self.dataplane, self.model_repository_extension, model, listener, self._limits
        )

    def run(self, host: str, grpc_port: int | None) -> None:
        """Serve until a signal ends the process.

        kserve's own ``start`` builds servers that bind every interface.

        Raises:
            InputError: gRPC's address cannot be listened on.
        """
        # What is loaded stays: the collector need not look at it again in the midst of a request.
        gc.freeze()
        # kserve's own choice of a loop has no effect on a single worker.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(host, grpc_port))

    async def _serve(self, host: str, grpc_port: int | None) -> None:
        if grpc_port is None:
            await self.rest.start()
            return
        servicer = ReadmissionServicer(self.dataplane, self.model_repository_extension, self._model)
        grpc = GrpcServer(servicer, host, grpc_port, self._limits.max_body)
        await grpc.start()
        await self.rest.start()
        await grpc.stop(self._limits.drain_seconds)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; without ``grpc_port`` it speaks no gRPC."""

    host: str
    port: int
    grpc_port: int | None = None


def serve(
    bundle_dir: Path, version: str, address: Address, options: Options, limits: Limits
) -> None:
    """Load a bundle, prove it, then listen and serve it until a signal ends the process.

    Raises:
        BundleError: the bundle is altered, or this runtime does not reproduce its numbers.
        InputError: the address cannot be listened on, or the request log's folder not written to.
    """
    model = ReadmissionPredictor(bundle_dir, version, options)
    model.load()
    with listen(address.host, address.port) as listener:
        where = listener.getsockname()
        fields = {"version": version, "bundle": model.bundle.digest}
        logger.info("listening on %s port %d", *where[:2], extra={"fields": fields})
        ReadmissionServer(listener, model, limits).run(address.host, address.grpc_port)
    model.stop()


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
