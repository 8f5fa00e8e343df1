"""Calls grpc_service.py through the gateway at argv[1] without a pause, over TLS where argv[2] names an authority: each
of argv[3] callers on a connection of HTTP/2 of its own, which it keeps for as long as the gateway keeps it.

The first line says `open`. For each line that comes, the fewest calls that a caller has had answered are said; when no
more line comes, all end, and the last line is `all were answered`. A call that fails ends it: the
script repeats none, and its library only those that the gateway says it has not looked at."""

import sys
import threading

try:
    import grpc
except ImportError:
    print("grpcio", file=sys.stderr)
    sys.exit(77)

address, authority, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
answered = [0] * count
failed = []
stop = threading.Event()


def channel():
    if not authority:
        return grpc.insecure_channel(address, options)
    with open(authority, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return grpc.secure_channel(address, credentials, options + [("grpc.ssl_target_name_override", "it.test")])


def call(number):
    with channel() as own:
        echo = own.unary_unary("/test.Calls/Echo")
        while not stop.is_set() and not failed:
            said = str(answered[number]).encode()
            try:
                assert echo(said, timeout=20) == said
            except Exception as error:
                failed.append(error)
                return
            answered[number] += 1


callers = [threading.Thread(target=call, args=(number,)) for number in range(count)]
for caller in callers:
    caller.start()
while min(answered) == 0 and not failed:
    stop.wait(0.01)
print("open", flush=True)
for _ in sys.stdin:
    print(f"failed: {failed}" if failed else min(answered), flush=True)
stop.set()
for caller in callers:
    caller.join()
print(f"failed: {failed}" if failed else "all were answered", flush=True)
