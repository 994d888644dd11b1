from __future__ import annotations

import socket
from contextlib import closing

import pytest

from stagely_rpc.errors import ListenError
from stagely_rpc.process.port_reservation import reserved_port
from tests.support.ports import free_port


def listener(host: str, port: int, *, shared: bool) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_workers_listen_on_a_reserved_port_and_get_every_connection(host: str) -> None:
    with (
        reserved_port(host, 0) as port,
        closing(listener(host.strip("[]"), port, shared=True)) as worker,
        closing(listener(host.strip("[]"), port, shared=True)) as other,
    ):
        worker.setblocking(False)
        other.setblocking(False)
        connections = [socket.create_connection((host.strip("[]"), port)) for _ in range(20)]
        accepted = 0
        for each in (worker, other):
            with pytest.raises(BlockingIOError):
                while True:
                    each.accept()[0].close()
                    accepted += 1
        for connection in connections:
            connection.close()

    assert accepted == 20


def test_reserved_port_is_refused_to_another_supervisor_even_if_no_worker_listens() -> None:
    port = free_port()

    with (
        reserved_port("127.0.0.1", port),
        pytest.raises(ListenError, match="is the port taken"),
        reserved_port("127.0.0.1", port),
    ):
        pass


@pytest.mark.parametrize("shared", [False, True])
def test_port_that_another_program_listens_on_is_refused(*, shared: bool) -> None:
    port = free_port()

    with (
        closing(listener("127.0.0.1", port, shared=shared)),
        pytest.raises(ListenError, match=f"can't listen on 127.0.0.1:{port}: is the port taken"),
        reserved_port("127.0.0.1", port),
    ):
        pass


def test_port_is_free_after_the_reservation_ends() -> None:
    with reserved_port("127.0.0.1", 0) as port:
        pass

    with reserved_port("127.0.0.1", port) as again:
        assert again == port


def test_error_in_the_block_is_not_reported_as_an_error_of_the_port() -> None:
    with pytest.raises(FileNotFoundError), reserved_port("127.0.0.1", 0):
        raise FileNotFoundError
