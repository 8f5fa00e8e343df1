"""Breaks the rules of HTTP/2 at argv[1] in the way that argv[2] names, and says what came of it.

Each way ends with one line: `status N`, `reset CODE`, `goaway CODE`, `closed` or `alive`, whichever came first for what
was wrong; `alive` means that the connection still answers afterwards."""

import socket
import sys
import time

try:
    import hpack
    from hyperframe import frame as frames
    from hyperframe.frame import ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame
    from hyperframe.frame import PriorityFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame
except ImportError:
    print("h2", file=sys.stderr)
    sys.exit(77)

host, port = sys.argv[1].rsplit(":", 1)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE = 15
GOOD = [(":method", "GET"), (":scheme", "http"), (":authority", "it.test"), (":path", "/ok")]


class Wire:
    """One connection, frame by frame."""

    def __init__(self, settings=None, greet=True):
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(PATIENCE)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 24
        self.unread = b""
        self.sent = 0
        if greet:
            self.send(PREFACE)
            self.frame(SettingsFrame(0, settings=settings or {}))

    def send(self, data):
        self.socket.sendall(data)
        self.sent += len(data)

    def frame(self, *all):
        self.send(b"".join(one.serialize() for one in all))

    def headers(self, stream, headers, end=True, more=False, huffman=True):
        one = HeadersFrame(stream)
        one.data = self.encoder.encode(headers, huffman=huffman)
        if not more:
            one.flags.add("END_HEADERS")
        if end:
            one.flags.add("END_STREAM")
        return one

    def data(self, stream, data=b"", end=False):
        one = DataFrame(stream, data)
        if end:
            one.flags.add("END_STREAM")
        return one

    def read(self):
        """The next frame; nothing at the end."""
        try:
            while True:
                if len(self.unread) >= 9:
                    one, length = Frame.parse_frame_header(memoryview(self.unread[:9]))
                    if len(self.unread) >= 9 + length:
                        one.parse_body(memoryview(self.unread[9:9 + length]))
                        self.unread = self.unread[9 + length:]
                        if isinstance(one, HeadersFrame):
                            one.told = self.decoder.decode(one.data, raw=True)
                        return one
                more = self.socket.recv(65536)
                if not more:
                    return None
                self.unread += more
        except ConnectionError:
            return None

    def outcome(self, stream):
        """What becomes of the stream, or of the connection before it."""
        while True:
            one = self.read()
            if one is None:
                return "closed"
            if isinstance(one, GoAwayFrame):
                return f"goaway {one.error_code}"
            if isinstance(one, RstStreamFrame) and one.stream_id == stream:
                return f"reset {one.error_code}"
            if isinstance(one, HeadersFrame) and one.stream_id == stream:
                return "status " + dict(one.told)[b":status"].decode()
            if isinstance(one, SettingsFrame) and "ACK" not in one.flags:
                try:
                    self.frame(SettingsFrame(0, flags=["ACK"]))
                except ConnectionError:
                    # It has been closed; what was said before is still there to be read.
                    pass

    def is_alive(self, stream):
        """Whether it still serves a request."""
        self.frame(self.headers(stream, GOOD))
        return "alive" if self.outcome(stream) == "status 200" else "not alive"

    def ending(self):
        """How a connection ends that is not to be served any further, or that it does not."""
        while True:
            try:
                one = self.read()
            except TimeoutError:
                return "alive"
            if one is None:
                return "closed"
            if isinstance(one, GoAwayFrame) and one.error_code != 0:
                return f"goaway {one.error_code}"


def flood(wire, produce, count, most=PATIENCE):
    """Sends as long as it is taken, and reads nothing."""
    until = time.monotonic() + most
    wire.socket.settimeout(1)
    try:
        for number in range(count):
            wire.send(produce(number))
            if time.monotonic() > until:
                break
    except TimeoutError:
        # Nobody takes it any more: that is one way to be bounded.
        pass
    except ConnectionError:
        pass
    wire.socket.settimeout(PATIENCE)


def one_request(headers, body=None, end=True):
    wire = Wire()
    all = [wire.headers(1, headers, end=end and body is None)]
    if body is not None:
        all += body(wire)
    wire.frame(*all)
    return wire.outcome(1)


def with_header(*more):
    return lambda: one_request(GOOD + list(more))


def without(name):
    return lambda: one_request([(own, value) for own, value in GOOD if own != name])


def with_instead(name, value):
    return lambda: one_request([(own, value if own == name else before) for own, before in GOOD])


def posts(length, *parts):
    """A body of parts where the header announces `length`."""
    headers = [(":method", "POST"), *GOOD[1:3], (":path", "/posted"), ("content-length", length)]

    def body(wire):
        return [wire.data(1, part, end=number == len(parts) - 1) for number, part in enumerate(parts)]

    return lambda: one_request(headers, body)


def rapid_reset():
    wire = Wire()
    flood(wire, lambda n: wire.headers(1 + 2 * n, GOOD).serialize() + RstStreamFrame(1 + 2 * n, 8).serialize(), 20000)
    return wire.ending()


def continuation_flood():
    wire = Wire()
    wire.frame(wire.headers(1, GOOD, more=True))
    junk = hpack.Encoder()
    flood(wire, lambda n: ContinuationFrame(1, junk.encode([(f"x-{n}", "y" * 8000)], huffman=False)).serialize(), 10000)
    ended = wire.ending()
    assert wire.sent < 8 << 20, wire.sent
    return ended


def empty_continuation_flood():
    wire = Wire()
    wire.frame(wire.headers(1, GOOD, more=True))
    flood(wire, lambda n: ContinuationFrame(1, b"").serialize() * 100, 10000, 5)
    return wire.ending()


def ping_flood():
    wire = Wire()
    flood(wire, lambda n: PingFrame(0, n.to_bytes(8, "big")).serialize() * 100, 20000, 5)
    return "bounded"


def settings_flood():
    wire = Wire()
    flood(wire, lambda n: SettingsFrame(0, settings={3: n}).serialize() * 100, 20000, 5)
    return "bounded"


def window_update_flood():
    wire = Wire()
    wire.frame(wire.headers(1, GOOD))
    flood(wire, lambda n: WindowUpdateFrame(0, 1).serialize() * 100, 20000, 5)
    return "bounded"


def priority_flood():
    wire = Wire()
    flood(wire, lambda n: PriorityFrame(1 + 2 * (n % 1000), 0, 5).serialize() * 100, 20000, 5)
    return "bounded"


def empty_data_flood():
    wire = Wire()
    wire.frame(wire.headers(1, [(":method", "POST"), *GOOD[1:3], (":path", "/posted")], end=False))
    flood(wire, lambda n: DataFrame(1, b"").serialize() * 100, 10000, 5)
    return wire.ending()


def made_you_reset():
    """Has the other end reset streams that it is at work on: an increment of nothing is an error of the stream."""
    wire = Wire()
    flood(wire, lambda n: wire.headers(1 + 2 * n, GOOD).serialize() + WindowUpdateFrame(1 + 2 * n, 0).serialize(), 20000)
    return wire.ending()


def zero_window():
    """Asks for a hundred large answers and takes nothing of any, for ever."""
    wire = Wire({SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    for number in range(100):
        wire.frame(wire.headers(1 + 2 * number, [*GOOD[:3], (":path", "/mega")]))
    resets, heads, until = 0, 0, time.monotonic() + PATIENCE
    while resets < 100 and time.monotonic() < until:
        try:
            one = wire.read()
        except TimeoutError:
            break
        if one is None or isinstance(one, GoAwayFrame):
            return f"given up after {heads} heads"
        resets += isinstance(one, RstStreamFrame)
        heads += isinstance(one, HeadersFrame)
    return f"{heads} heads, {resets} streams given up"


def stalled_upload():
    """A body that stands still in the middle."""
    wire = Wire()
    headers = [(":method", "POST"), *GOOD[1:3], (":path", "/posted"), ("content-length", "1000")]
    wire.frame(wire.headers(1, headers, end=False), wire.data(1, b"x" * 10))
    return wire.outcome(1)


def too_many_streams():
    wire = Wire()
    post = [(":method", "POST"), *GOOD[1:3], (":path", "/posted")]
    wire.frame(*(wire.headers(1 + 2 * number, post, end=False) for number in range(150)))
    refused, until = 0, time.monotonic() + PATIENCE
    while refused < 50 and time.monotonic() < until:
        one = wire.read()
        if one is None or isinstance(one, GoAwayFrame):
            return "closed"
        refused += isinstance(one, RstStreamFrame) and one.error_code == 7
    return f"{refused} refused"


def header_bomb():
    """A header of 4 KB that is said once and then named 12,000 times by one byte."""
    wire = Wire()
    wire.encoder.encode([("x", "y" * 3900)])
    block = wire.encoder.encode(GOOD + [("x-b", "y" * 3900)]) + bytes([0x80 | 62]) * 12000
    one = HeadersFrame(1)
    one.data = block
    one.flags.add("END_HEADERS")
    one.flags.add("END_STREAM")
    wire.frame(one)
    return wire.outcome(1)


def huge_headers():
    wire = Wire()
    block = wire.encoder.encode(GOOD + [("x", "y" * 200_000)], huffman=False)
    first = HeadersFrame(1, block[:16000])
    first.flags.add("END_STREAM")
    rest = [ContinuationFrame(1, block[at:at + 16000]) for at in range(16000, len(block), 16000)]
    rest[-1].flags.add("END_HEADERS")
    wire.frame(first, *rest)
    return wire.outcome(1)


def many_headers():
    return one_request(GOOD + [(f"x-{number}", "y") for number in range(200)])


def on_a_stream(make):
    def way():
        wire = Wire()
        wire.frame(*make(wire))
        return wire.ending()

    return way


def raw(block):
    """A frame whose length says more than is allowed, and the like."""

    def way():
        wire = Wire()
        wire.send(block)
        return wire.ending()

    return way


def half_a_preface():
    wire = Wire(greet=False)
    wire.send(PREFACE[:10])
    return wire.ending()


def preface_and_silence():
    return Wire().ending()


def no_settings():
    wire = Wire(greet=False)
    wire.send(PREFACE)
    wire.frame(wire.headers(1, GOOD))
    return wire.outcome(1)


def broken_table():
    wire = Wire()
    one = HeadersFrame(1, bytes([0xFF, 0xFF, 0xFF, 0xFF, 0x7F]))
    one.flags.add("END_HEADERS")
    one.flags.add("END_STREAM")
    wire.frame(one)
    return wire.ending()


def a_stream_again():
    wire = Wire()
    wire.frame(wire.headers(5, GOOD))
    assert wire.outcome(5) == "status 200"
    wire.frame(wire.headers(3, GOOD))
    return wire.ending()


def good_after_bad():
    """A request that is refused costs its stream, not the connection."""
    wire = Wire()
    wire.frame(wire.headers(1, GOOD + [("connection", "close")]))
    first = wire.outcome(1)
    return f"{first}, {wire.is_alive(3)}"


def trailers():
    """Trailers of a request that carry a pseudo header."""
    wire = Wire()
    post = [(":method", "POST"), *GOOD[1:3], (":path", "/posted")]
    wire.frame(wire.headers(1, post, end=False), wire.data(1, b"x"), wire.headers(1, [(":path", "/other")]))
    return wire.outcome(1)


WAYS = {
    "rapid-reset": rapid_reset,
    "made-you-reset": made_you_reset,
    "continuation-flood": continuation_flood,
    "empty-continuation-flood": empty_continuation_flood,
    "ping-flood": ping_flood,
    "settings-flood": settings_flood,
    "window-update-flood": window_update_flood,
    "priority-flood": priority_flood,
    "empty-data-flood": empty_data_flood,
    "zero-window": zero_window,
    "stalled-upload": stalled_upload,
    "too-many-streams": too_many_streams,
    "header-bomb": header_bomb,
    "huge-headers": huge_headers,
    "many-headers": many_headers,
    "half-a-preface": half_a_preface,
    "preface-and-silence": preface_and_silence,
    "no-settings": no_settings,
    "broken-table": broken_table,
    "a-stream-again": a_stream_again,
    "good-after-bad": good_after_bad,
    "trailers-with-a-pseudo-header": trailers,
    "good": with_header(),
    "te-trailers": with_header(("te", "trailers")),
    "no-path": without(":path"),
    "no-method": without(":method"),
    "no-scheme": without(":scheme"),
    "no-authority": without(":authority"),
    "host-instead": lambda: one_request([*GOOD[:2], GOOD[3], ("host", "it.test")]),
    "host-differs": with_header(("host", "other.test")),
    "host-twice": with_header(("host", "it.test"), ("host", "it.test")),
    "empty-path": with_instead(":path", ""),
    "path-without-slash": with_instead(":path", "ok"),
    "path-with-space": with_instead(":path", "/ok HTTP/1.1"),
    "path-with-line": with_instead(":path", "/ok\r\nx: y"),
    "path-with-fragment": with_instead(":path", "/ok#x"),
    "method-with-space": with_instead(":method", "GET /other"),
    "method-connect": with_instead(":method", "CONNECT"),
    "method-twice": lambda: one_request([GOOD[0]] + GOOD),
    "path-twice": lambda: one_request(GOOD + [GOOD[3]]),
    "pseudo-after-header": lambda: one_request([*GOOD[:3], ("x", "y"), GOOD[3]]),
    "pseudo-unknown": lambda: one_request([(":x", "y")] + GOOD),
    "pseudo-of-answers": lambda: one_request([(":status", "200")] + GOOD),
    "authority-with-user": with_instead(":authority", "a@it.test"),
    "authority-of-the-mesh": with_instead(":authority", "one.mamparo"),
    "upper-case": with_header(("X-Upper", "y")),
    "connection": with_header(("connection", "x")),
    "transfer-encoding": with_header(("transfer-encoding", "chunked")),
    "keep-alive": with_header(("keep-alive", "1")),
    "upgrade": with_header(("upgrade", "websocket")),
    "te-gzip": with_header(("te", "gzip")),
    "name-with-space": with_header(("x y", "z")),
    "name-with-colon": with_header(("x:", "z")),
    "name-empty": with_header(("", "z")),
    "value-with-line": with_header(("x", "y\r\nz: 1")),
    "value-with-cr": with_header(("x", "y\rz")),
    "value-with-lf": with_header(("x", "y\nz")),
    "value-with-nul": with_header(("x", "y\0z")),
    "length-twice": lambda: one_request(
        [(":method", "POST"), *GOOD[1:3], (":path", "/posted"), ("content-length", "5"), ("content-length", "4")],
        lambda wire: [wire.data(1, b"abcde", end=True)],
    ),
    "length-right": posts("5", b"abcde"),
    "length-too-long": posts("10", b"abcde"),
    "length-too-short": posts("2", b"abcde", b""),
    "length-negative": posts("-1", b"abcde"),
    "length-plus": posts("+5", b"abcde"),
    "length-list": posts("5, 5", b"abcde"),
    "length-without-body": lambda: one_request(GOOD + [("content-length", "5")]),
    "data-on-no-stream": raw(b"\0\0\x01\0\0\0\0\0\0x"),
    "data-on-an-idle-stream": on_a_stream(lambda wire: [wire.data(9, b"x")]),
    "headers-on-no-stream": raw(b"\0\0\x01\x01\x05\0\0\0\0\x82"),
    "even-stream": on_a_stream(lambda wire: [wire.headers(2, GOOD)]),
    "window-of-nothing": on_a_stream(lambda wire: [WindowUpdateFrame(0, 0)]),
    "window-overflow": on_a_stream(lambda wire: [WindowUpdateFrame(0, (1 << 31) - 1)] * 2),
    "continuation-of-nothing": on_a_stream(lambda wire: [ContinuationFrame(1, b"")]),
    "between-headers-and-continuation": on_a_stream(
        lambda wire: [wire.headers(1, GOOD, more=True), PingFrame(0, b"x" * 8)]
    ),
    "ping-on-a-stream": raw(b"\0\0\x08\x06\0\0\0\0\x01" + b"x" * 8),
    "ping-of-a-wrong-size": raw(b"\0\0\x07\x06\0\0\0\0\0" + b"x" * 7),
    "settings-of-a-wrong-size": raw(b"\0\0\x05\x04\0\0\0\0\0" + b"x" * 5),
    "settings-with-a-huge-window": raw(b"\0\0\x06\x04\0\0\0\0\0\0\x04\xff\xff\xff\xff"),
    "push-promise": raw(b"\0\0\x04\x05\x04\0\0\0\x01\0\0\0\x02"),
    "frame-too-large": raw(b"\xff\xff\xff\0\0\0\0\0\x01" + b"x" * 100),
    "padding-too-long": raw(b"\0\0\x02\0\x08\0\0\0\x01\xff\0"),
}
for way in sys.argv[2:] or WAYS:
    print(way + ": " + WAYS[way](), flush=True)
