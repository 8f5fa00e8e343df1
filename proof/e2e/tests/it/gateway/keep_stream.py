"""Holds one WebSocket to websocket_service.py open through the gateway at argv[1] as a stream of HTTP/2 (RFC 8441), and
has it echo without a pause. That the gateway takes no further streams (GOAWAY) ends none that is open.

The first line says `open`. For each line that comes, how many messages it has echoed is said; when no more line comes, it
is closed, and the last line is `closed in good order`."""

import socket
import sys
import threading
import time

try:
    import hpack
    from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame
    from hyperframe.frame import SettingsFrame, WindowUpdateFrame
except ImportError:
    print("h2", file=sys.stderr)
    sys.exit(77)

host, port = sys.argv[1].rsplit(":", 1)
wire = socket.create_connection((host, int(port)))
wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
wire.settimeout(20)
unread = b""
heard = bytearray()
answer = []
ended = False
stop = threading.Event()
echoed = 0


def send(frame):
    wire.sendall(frame.serialize())


def read(count):
    global unread
    while len(unread) < count:
        more = wire.recv(65536)
        assert more, "the gateway has closed the connection"
        unread += more
    taken, unread = unread[:count], unread[count:]
    return taken


def hear():
    """Hears one frame."""
    global ended
    frame, length = Frame.parse_frame_header(memoryview(read(9)))
    frame.parse_body(memoryview(read(length)))
    if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
        send(SettingsFrame(0, flags=["ACK"]))
    if isinstance(frame, PingFrame) and "ACK" not in frame.flags:
        send(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))
    if isinstance(frame, GoAwayFrame):
        assert frame.error_code == 0 and frame.last_stream_id >= 1, frame
    assert not isinstance(frame, RstStreamFrame) or ended, frame
    if isinstance(frame, HeadersFrame):
        answer.extend(decoder.decode(frame.data))
    if isinstance(frame, DataFrame):
        heard.extend(frame.data)
        if frame.flow_controlled_length:
            send(WindowUpdateFrame(0, window_increment=frame.flow_controlled_length))
            send(WindowUpdateFrame(1, window_increment=frame.flow_controlled_length))
    ended = ended or "END_STREAM" in frame.flags


def say(opcode, payload):
    """Says a message, masked by nothing."""
    send(DataFrame(1, bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload))


def message():
    """Hears one, which is short."""
    while len(heard) < 2 or len(heard) < 2 + heard[1]:
        hear()
    opcode, payload = heard[0] & 0xF, bytes(heard[2 : 2 + heard[1]])
    del heard[: 2 + len(payload)]
    return opcode, payload


def exchange(opcode, payload):
    """Says a message and hears the same, while it answers whatever it is asked (ping, pong)."""
    say(opcode, payload)
    got = message()
    while got[0] == 9:
        say(10, got[1])
        got = message()
    assert got == (opcode, payload), got


def talk():
    print("open", flush=True)
    for _ in sys.stdin:
        print(echoed, flush=True)
    stop.set()


encoder, decoder = hpack.Encoder(), hpack.Decoder()
wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
send(SettingsFrame(0))
fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "it.test")]
fields += [(":path", "/echo"), ("sec-websocket-version", "13")]
send(HeadersFrame(1, encoder.encode(fields), flags=["END_HEADERS"]))
while not answer:
    hear()
assert (":status", "200") in [tuple(field) for field in answer], answer
threading.Thread(target=talk, daemon=True).start()
while not stop.is_set():
    exchange(1, str(echoed).encode())
    echoed += 1
    time.sleep(0.005)
exchange(8, (1000).to_bytes(2, "big"))
while not ended:
    hear()
print("closed in good order", flush=True)
