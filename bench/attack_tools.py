# SPDX-License-Identifier: MIT
"""What bench/attack is made of: an honest client that measures, crowds of attackers, a cgroup with a limit on memory."""
import multiprocessing
import os
import pathlib
import resource
import select
import socket
import threading
import time

HONEST = "127.0.0.1"
LATE = 30.0  # seconds after which nobody waits any more


def attacker_addresses(count):
    """Source addresses of the attackers: not the honest client's, which a limit for each address would hit as well."""
    return [f"127.0.0.{2 + i}" for i in range(count)]


def raise_file_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def head(path, length, content_type="application/json"):
    return (f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n"
            "Connection: close\r\n\r\n").encode()


def post(path, body, content_type="application/json"):
    return head(path, len(body), content_type) + body


def ask(port, data, source, timeout=LATE):
    """One request on a connection of its own. \\return (status, body); status 0 for none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0)) as connection:
            connection.sendall(data)
            reply = b""
            while piece := connection.recv(1 << 20):
                reply += piece
    except OSError:
        return 0, b""
    top, _, body = reply.partition(b"\r\n\r\n")
    words = top.split(b" ", 2)
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), body


class Honest:
    """A client in a process of its own: two connections that post small photos, one that asks for /healthz every 50 ms, one for
    /readyz. take() gives what it saw: lists of (moment, seconds, status)."""

    def __init__(self, port, health_port, photos):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self._run, args=(theirs, port, health_port, photos), daemon=True)
        self.process.start()

    def take(self):
        self.pipe.send("stop")
        answer = self.pipe.recv()
        self.process.join()
        return answer

    @staticmethod
    def _run(pipe, port, health_port, photos):
        stop = threading.Event()
        seen = {"photo": [], "health": [], "ready": []}

        def loop(kind, pause, make, to):
            turn = 0
            while not stop.is_set():
                began = time.monotonic()
                status, body = ask(to, make(turn), HONEST)
                reason = body.split(b'"reason":"')[-1].split(b'"')[0].decode() if b'"reason"' in body else ""
                seen[kind].append((began, time.monotonic() - began, status, reason))
                turn += 1
                if pause:
                    stop.wait(pause)
                elif status != 200:
                    stop.wait(0.05)  # a refusal is no reason to hammer

        requests = [post("/embed", photo, "image/jpeg") for photo in photos]

        def get(path):
            return lambda _: f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode()

        threads = [threading.Thread(target=loop, args=arguments, daemon=True) for arguments in (
            ("photo", 0, lambda i: requests[i % len(requests)], port),
            ("photo", 0, lambda i: requests[-1 - i % len(requests)], port),
            ("health", 0.05, get("/healthz"), health_port), ("ready", 0.1, get("/readyz"), health_port))]
        for thread in threads:
            thread.start()
        pipe.recv()
        stop.set()
        for thread in threads:
            thread.join(LATE + 5)
        pipe.send(seen)


class Crowd:
    """Many connections of one process that are opened again when they end. `first` is sent at once, then `drip` a byte at a time,
    each `interval` seconds; answers are read or left lying."""

    def __init__(self, count, first=b"", drip=b"", interval=1.0, read=True):
        self.count, self.first, self.drip, self.interval, self.read = count, first, drip, interval, read

    def __call__(self, port, addresses, stop):
        raise_file_limit()
        self.port, self.addresses, self.poll = port, addresses, select.epoll()
        self.open, self.made, self.failed_at, self.began = {}, 0, 0.0, time.monotonic()
        last_drip = time.monotonic()
        while not stop.is_set():
            self._fill()
            for fd, events in self.poll.poll(0.1, 512):
                self._serve(fd, events)
            if self.drip and time.monotonic() - last_drip > self.interval:
                last_drip = time.monotonic()
                self._drip_all()

    def _fill(self):
        """At most 2,000 new ones a second, and none for a moment when the server takes no more."""
        due = int((time.monotonic() - self.began) * 2_000) - self.made
        for _ in range(min(400, due, self.count - len(self.open))):
            if time.monotonic() - self.failed_at < 0.2:
                return
            connection = socket.socket()
            connection.setblocking(False)
            try:
                connection.bind((self.addresses[self.made % len(self.addresses)], 0))
                connection.connect_ex(("127.0.0.1", self.port))
            except OSError:
                connection.close()
                self.failed_at = time.monotonic()
                return
            self.made += 1
            self.open[connection.fileno()] = [connection, self.first, 0]
            self.poll.register(connection.fileno(), select.EPOLLOUT)

    def _serve(self, fd, events):
        connection, left, _ = self.open[fd]
        try:
            if events & select.EPOLLOUT and left:
                self.open[fd][1] = left[connection.send(left):]
            if not self.open[fd][1]:
                # One that does not read hears of the end only, so that its answer fills every buffer on the way.
                self.poll.modify(fd, select.EPOLLIN if self.read else 0)
            if events & (select.EPOLLHUP | select.EPOLLERR) or (events & select.EPOLLIN and not connection.recv(1 << 16)):
                self._close(fd)
        except BlockingIOError:
            pass
        except OSError:
            self._close(fd)

    def _drip_all(self):
        for fd in list(self.open):
            connection, left, sent = self.open[fd]
            if left:
                continue
            try:
                connection.send(self.drip[sent % len(self.drip):][:1])
                self.open[fd][2] += 1
            except BlockingIOError:
                pass
            except OSError:
                self._close(fd)

    def _close(self, fd):
        self.open.pop(fd)[0].close()


class Posts:
    """Each address posts this over and over, one request at a time; with `leave` it goes away after so many seconds, and comes
    back after 20 ms."""

    def __init__(self, data, leave=None):
        self.data, self.leave = data, leave

    def __call__(self, port, addresses, stop):
        def one(address):
            while not stop.is_set():
                ask(port, self.data, address, timeout=self.leave or LATE)
                if self.leave:
                    stop.wait(0.02)
        threads = [threading.Thread(target=one, args=(address,), daemon=True) for address in addresses]
        for thread in threads:
            thread.start()
        stop.wait()


class Attackers:
    """Runs an attack in processes of its own, one for each share of the addresses."""

    def __init__(self, attack, port, addresses):
        self.stop = multiprocessing.Event()
        self.processes = [multiprocessing.Process(target=self._run, args=(attack, port, addresses, self.stop), daemon=True)]
        for process in self.processes:
            process.start()

    @staticmethod
    def _run(attack, port, addresses, stop):
        """With the CPU that is left: real attackers bring their own, and this is about what the server spends on them."""
        os.setsid()
        os.nice(19)
        try:
            pathlib.Path("/proc/self/autogroup").write_text("19")
        except OSError:
            pass  # no such thing in this kernel
        attack(port, addresses, stop)

    def end(self):
        self.stop.set()
        for process in self.processes:
            process.join(2)
            if process.is_alive():
                process.kill()
                process.join()


def decoder_pids(server):
    """The decoder processes of a server that run or are stopped; zombies are not among them."""
    pids = []
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        try:
            pids += [int(pid) for pid in (task / "children").read_text().split()]
        except OSError:
            pass  # the thread ended
    return pids


def signal_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


class MemoryGroup:
    """A memory cgroup below this process's own (v1), or beside it (v2). Needs root. Use as a context manager."""

    def __init__(self, limit):
        self.limit, self.folder = limit, None

    def __enter__(self):
        groups = dict(line.split(":", 2)[1:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines())
        v1 = next((path for names, path in groups.items() if "memory" in names.split(",")), None)
        name = f"photovec-attack-{os.getpid()}"
        try:
            if v1 is not None:
                base = pathlib.Path("/sys/fs/cgroup/memory")
                own = base / v1.lstrip("/")
                self.folder = (own if own.is_dir() else base) / name
                self.folder.mkdir()
                (self.folder / "memory.limit_in_bytes").write_text(str(self.limit))
            else:
                own = pathlib.Path("/sys/fs/cgroup") / groups[""].lstrip("/")
                self.folder = own.parent / name if own != pathlib.Path("/sys/fs/cgroup") else own / name
                self.folder.mkdir()
                (self.folder / "memory.max").write_text(str(self.limit))
                (self.folder / "memory.swap.max").write_text("0")
        except OSError as error:
            raise SystemExit(f"--memory-limit needs root and a memory cgroup that may be written: {error}")
        return self

    def join(self):
        """In the child, before it becomes the server."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def peak(self):
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            if (self.folder / name).exists():
                return int((self.folder / name).read_text())
        return 0

    def __exit__(self, *_):
        for _ in range(50):
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.1)  # its last process is on its way out
