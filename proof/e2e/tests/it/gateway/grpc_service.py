"""A gRPC service of bytes, without generated code: says in its first line where it listens."""

import sys
import time
from concurrent import futures

try:
    import grpc
except ImportError:
    print("grpcio", file=sys.stderr)
    sys.exit(77)


def echo(request, context):
    told = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", "1"),))
    context.set_trailing_metadata((("x-trailing-bin", bytes([0, 1, 255])), ("x-asked", told.get("x-asked", "-"))))
    return request


def left(request, context):
    """How much time is left, in seconds."""
    remaining = context.time_remaining()
    return b"none" if remaining is None else str(remaining).encode()


def slow(request, context):
    time.sleep(float(request))
    return b"late"


def fail(request, context):
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "é not now: 100%")


def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def count_then_fail(request, context):
    for number in range(3):
        yield str(number).encode()
    context.abort(grpc.StatusCode.DATA_LOSS, "after three")


def forever(request, context):
    while context.is_active():
        yield b"x" * 1000
        time.sleep(0.01)


def total(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def chat(requests, context):
    for request in requests:
        yield b"you said " + request


def handler(kind, function):
    return kind(function)


methods = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Left": grpc.unary_unary_rpc_method_handler(left),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "CountThenFail": grpc.unary_stream_rpc_method_handler(count_then_fail),
    "Forever": grpc.unary_stream_rpc_method_handler(forever),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=[("grpc.max_receive_message_length", -1)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Calls", methods),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"127.0.0.1:{port}", flush=True)
server.wait_for_termination()
