"""The proxy: bytes flow, late, not at all, or end in a reset; and a broker whose clients all go through it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from confluent_kafka import Producer

from shadowstream.errors import BrokerError
from shadowstream.testing import EmbeddedKafka
from shadowstream.testing.ports import free_port
from shadowstream.testing.proxy import Proxy, proxied
from shadowstream.testing.topics import create_topics, read_all

SILENCE_S = 0.3


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of a server that says back what it is told."""

    def answer(peer: socket.socket) -> None:
        with peer, suppress(ConnectionResetError):
            while data := peer.recv(1_000):
                peer.sendall(data)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def connect(proxy: Proxy) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=5))


def is_silent(peer: socket.socket) -> bool:
    peer.settimeout(SILENCE_S)
    try:
        peer.recv(1_000)
    except TimeoutError:
        return True
    finally:
        peer.settimeout(5)
    return False


def test_a_black_hole_delays_everything_silently_and_loses_nothing(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as before:
        before.sendall(b"one")
        assert before.recv(1_000) == b"one"
        proxy.black_hole()
        before.sendall(b"two")
        with connect(proxy) as within:
            within.sendall(b"three")
            assert is_silent(before)
            assert is_silent(within)
            proxy.heal()
            assert before.recv(1_000) == b"two"
            assert within.recv(1_000) == b"three"


def test_a_reset_ends_what_is_open_and_what_is_new_flows(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as old:
        old.sendall(b"one")
        assert old.recv(1_000) == b"one"
        assert proxy.connections == 1
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            old.recv(1_000)
        with connect(proxy) as new:
            new.sendall(b"two")
            assert new.recv(1_000) == b"two"


def test_latency_is_added_in_both_directions(echo: int) -> None:
    with Proxy(echo, delay_s=0.1) as proxy, connect(proxy) as peer:
        began = time.monotonic()
        peer.sendall(b"one")
        assert peer.recv(1_000) == b"one"
        assert time.monotonic() - began >= 0.2


def test_a_thin_line_lets_so_much_through_and_slows_no_answer(echo: int) -> None:
    with Proxy(echo, sent_per_s=20_000) as proxy, connect(proxy) as peer:
        began = time.monotonic()
        peer.sendall(bytes(10_000))
        while len(peer.recv(20_000, socket.MSG_PEEK)) < 10_000:
            time.sleep(0.01)
        assert time.monotonic() - began >= 0.45
        assert peer.recv(20_000) == bytes(10_000)
        proxy.sent_per_s = None
        peer.sendall(b"two")
        assert peer.recv(1_000) == b"two"


def test_a_closed_end_is_forwarded_and_an_absent_server_closes(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as peer:
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1_000) == b""
    with Proxy(free_port()) as proxy, connect(proxy) as peer:
        try:
            received = peer.recv(1_000)
        except ConnectionResetError:
            received = b""
        assert received == b""


def test_a_port_in_use_is_refused_and_a_stopped_proxy_is_closed(echo: int) -> None:
    with pytest.raises(BrokerError, match="cannot listen"):
        Proxy(echo, port=echo).start()
    with Proxy(echo) as proxy:
        pass
    proxy.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def test_clients_of_a_proxied_broker_keep_to_the_proxy() -> None:
    port, broker_port, controller = free_port(), free_port(), free_port()
    with (
        Proxy(broker_port) as proxy,
        EmbeddedKafka(port=port, properties=proxied(port, broker_port, controller, proxy.port)) as kafka,
    ):
        create_topics(kafka.bootstrap, {"through": 1})
        assert proxy.connections == 0
        producer = Producer({"bootstrap.servers": proxy.bootstrap, "log_level": 0})
        producer.produce("through", b"one")
        assert producer.flush(10) == 0
        assert proxy.connections > 0
        proxy.black_hole()
        producer.produce("through", b"two")
        assert producer.flush(1) == 1
        assert [read.value for read in read_all(kafka.bootstrap, "through")] == [b"one"]
        proxy.heal()
        assert producer.flush(10) == 0
        assert [read.value for read in read_all(proxy.bootstrap, "through")] == [b"one", b"two"]
