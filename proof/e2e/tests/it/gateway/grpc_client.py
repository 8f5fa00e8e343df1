"""Calls every method of grpc_service.py through the gateway at argv[1], over TLS where argv[2] names an authority."""

import sys
import threading

try:
    import grpc
except ImportError:
    print("grpcio", file=sys.stderr)
    sys.exit(77)

address, authority = sys.argv[1:3]
options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0)]
if authority:
    with open(authority, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options.append(("grpc.ssl_target_name_override", "it.test"))
    channel = grpc.secure_channel(address, credentials, options)
else:
    channel = grpc.insecure_channel(address, options)


def method(name):
    return f"/test.Calls/{name}"


def fails(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


echo = channel.unary_unary(method("Echo"))
if sys.argv[3:] == ["gone"]:
    print(fails(lambda: echo(b"", timeout=10)).code().name)
    sys.exit(0)

# Unary, with metadata both ways; empty and large messages.
for size in [0, 1, 1000, 3_000_000]:
    answer, call = echo.with_call(b"x" * size, metadata=(("x-asked", "yes"),), timeout=30)
    assert answer == b"x" * size, size
    assert dict(call.initial_metadata())["x-initial"] == "1", call.initial_metadata()
    trailing = dict(call.trailing_metadata())
    assert trailing["x-trailing-bin"] == bytes([0, 1, 255]) and trailing["x-asked"] == "yes", trailing
    assert call.code() == grpc.StatusCode.OK

# The deadline of the client reaches the service, and is kept.
remaining = float(channel.unary_unary(method("Left"))(b"", timeout=5))
# What travels is rounded up.
assert 0 < remaining < 6, remaining
error = fails(lambda: channel.unary_unary(method("Slow"))(b"20", timeout=0.3))
assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error

# An error with its message and its trailers.
error = fails(lambda: channel.unary_unary(method("Fail"))(b"", timeout=10))
assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
assert error.details() == "é not now: 100%", error.details()
assert dict(error.trailing_metadata())["x-why"] == "because"
error = fails(lambda: channel.unary_unary(method("Nothing"))(b"", timeout=10))
assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error

# Streams of answers.
count = channel.unary_stream(method("Count"))
assert [int(number) for number in count(b"2000", timeout=30)] == list(range(2000))
assert list(count(b"0", timeout=10)) == []
seen = []


def gather():
    for number in channel.unary_stream(method("CountThenFail"))(b"", timeout=10):
        seen.append(number)


error = fails(gather)
assert error.code() == grpc.StatusCode.DATA_LOSS and error.details() == "after three", error
assert seen == [b"0", b"1", b"2"], seen

# A client that has enough: the service sees it, and the connection lives on.
stream = channel.unary_stream(method("Forever"))(b"", timeout=30)
for _ in range(5):
    next(stream)
stream.cancel()

# Streams of requests, and both ways in turn.
total = channel.stream_unary(method("Total"))
assert total(iter([b"x" * 1000] * 500), timeout=30) == b"500000"
assert total(iter([]), timeout=10) == b"0"
heard = threading.Event()


def ask():
    for number in range(50):
        yield str(number).encode()
        assert heard.wait(20)
        heard.clear()


said = []
for answer in channel.stream_stream(method("Chat"))(ask(), timeout=30):
    said.append(answer)
    heard.set()
assert said == [b"you said %d" % number for number in range(50)], said

# Many at the same time on the one connection.
futures = [echo.future(str(number).encode() * 100, timeout=60) for number in range(500)]
for number, future in enumerate(futures):
    assert future.result() == str(number).encode() * 100
print("all calls were as they should be")
