# SPDX-License-Identifier: MIT
"""An HTTP client for bench/overload: one thread, one epoll, thousands of requests in flight. It reads a reply that comes before
its request is fully sent, and then sends no more, as real clients do."""
import heapq
import random
import select
import socket
import time

PIECE = 64 * 1024  # sent at a time, so that an early reply is seen between two pieces


class Call:
    """One request. After it ended: status (0: none, the connection broke; -1: the client left), seconds, retry_after."""

    def __init__(self, payload, patience, done, stop_after=None):
        self.payload = payload  # head and body
        self.patience = patience  # seconds until the client leaves; None: never
        self.done = done  # called with the call
        self.stop_after = stop_after  # leaves after so many bytes were sent
        self.sent = 0
        self.reply = bytearray()
        self.status = 0
        self.retry_after = None
        self.images = 1
        self.socket = None
        self.began = self.ended = 0.0
        self.sent_at = None
        self.timer = 0


class Loop:
    """Runs calls until a moment. `at(moment, function)` runs a function then."""

    def __init__(self, port):
        self.address = ("127.0.0.1", port)
        self.poll = select.epoll()
        self.calls = {}
        self.timers = []
        self.count = 0

    def at(self, moment, function):
        self.count += 1
        heapq.heappush(self.timers, (moment, self.count, function))

    def start(self, call):
        call.began = time.monotonic()
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex(self.address)
        call.socket = sock
        self.calls[sock.fileno()] = call
        self.poll.register(sock, select.EPOLLIN | select.EPOLLOUT)
        if call.patience is not None:
            self.at(call.began + call.patience, lambda: self.leave(call))

    def leave(self, call):
        if call.socket is not None:
            self.end(call, -1)

    def end(self, call, status):
        call.ended = time.monotonic()
        call.status = status
        del self.calls[call.socket.fileno()]
        call.socket.close()  # epoll forgets it
        call.socket = None
        call.done(call)

    def run(self, until):
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
            if now >= until:
                return
            wait = min(until, self.timers[0][0] if self.timers else until) - time.monotonic()
            for number, events in self.poll.poll(max(0.0, wait), 256):
                call = self.calls.get(number)
                if call is not None:
                    self.step(call, events)

    def step(self, call, events):
        try:
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and not self.receive(call):
                return
            if events & select.EPOLLOUT and call.sent < len(call.payload):
                call.sent += call.socket.send(call.payload[call.sent:call.sent + PIECE])
                if call.stop_after is not None and call.sent >= call.stop_after:
                    self.end(call, -1)
                elif call.sent == len(call.payload):
                    call.sent_at = time.monotonic()
                    self.poll.modify(call.socket, select.EPOLLIN)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            if call.socket is not None and self.receive_rest(call):
                self.end(call, 0)

    def receive_rest(self, call):
        """The connection broke while sending; a reply may lie there already. True when there is none."""
        try:
            return self.receive(call)
        except OSError:
            return True

    def receive(self, call):
        """False when the call ended."""
        data = call.socket.recv(1 << 18)
        call.reply += data
        head, found, body = bytes(call.reply).partition(b"\r\n\r\n")
        if found:
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            if len(body) >= int(fields.get(b"content-length", b"0")):
                if b"retry-after" in fields:
                    call.retry_after = int(fields[b"retry-after"])
                self.end(call, int(head.split(b" ", 2)[1]))
                return False
        if not data:
            self.end(call, 0)
            return False
        return True


def request(body, content_type, *headers):
    """The bytes of a POST to /embed."""
    lines = ["POST /embed HTTP/1.1", "Host: bench", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return memoryview("\r\n".join([*lines, "", ""]).encode() + body)


class Closed:
    """So many clients that ask one after the other; the rate that they get is the capacity."""

    def __init__(self, loop, payloads, clients):
        self.loop, self.payloads, self.clients = loop, payloads, clients
        self.chance = random.Random(3)
        self.answered = 0
        self.open = True

    def next(self, call=None):
        if call is not None and call.status == 200:
            self.answered += 1
        if self.open:
            # A server so slow that it refuses eight clients: they obey.
            pause = call.retry_after if call is not None and call.status == 429 else 0
            self.loop.at(time.monotonic() + pause, self.start)

    def start(self):
        if self.open:
            self.loop.start(Call(self.chance.choice(self.payloads), None, self.next))

    def rate(self, seconds):
        for _ in range(self.clients):
            self.next()
        self.loop.run(time.monotonic() + 1)  # warm
        before, began = self.answered, time.monotonic()
        self.loop.run(began + seconds)
        rate = (self.answered - before) / (time.monotonic() - began)
        self.open = False
        while self.loop.calls:
            self.loop.run(time.monotonic() + 0.05)
        return rate
