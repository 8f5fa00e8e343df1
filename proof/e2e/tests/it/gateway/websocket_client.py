"""Talks to websocket_service.py through the gateway at argv[1], over TLS where argv[2] names an authority."""

import asyncio
import os
import ssl
import sys

try:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed
except ImportError:
    print("websockets", file=sys.stderr)
    sys.exit(77)

address, authority = sys.argv[1:3]
context = ssl.create_default_context(cafile=authority) if authority else None


def socket(path, **options):
    where = {"ssl": context, "server_hostname": "it.test"} if authority else {}
    scheme = "wss" if authority else "ws"
    return connect(f"{scheme}://{address}{path}", max_size=None, proxy=None, **where, **options)


async def main():
    # Text, bytes, empty, large and in parts; with and without compression.
    for compression in ["deflate", None]:
        async with socket("/echo", compression=compression) as one:
            large = os.urandom(2_000_000)
            for message in ["", "héllo", b"", bytes(range(256)), large, "x" * 1_000_000]:
                await one.send(message)
                assert await one.recv() == message, len(message)
            await one.send(["in ", "three ", "parts"])
            assert await one.recv() == "in three parts"
            await (await one.ping())
    # The service speaks first.
    async with socket("/hello") as one:
        assert await one.recv() == "hello"
    # What was agreed on is what the service said.
    async with socket("/echo", subprotocols=["a", "b"]) as one:
        assert one.subprotocol == "b", one.subprotocol
    # Who ends it, and why, arrives.
    async with socket("/bye") as one:
        try:
            await one.recv()
            raise AssertionError("it went on")
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "enough"), closed
    # It outlives the time that its route allows for a request.
    async with socket("/echo") as one:
        await asyncio.sleep(3)
        await one.send("still there")
        assert await one.recv() == "still there"
    # Two hundred at the same time.
    async def talk(number):
        async with socket("/echo") as one:
            for turn in range(20):
                await one.send(f"{number} {turn}")
                assert await one.recv() == f"{number} {turn}"

    await asyncio.gather(*(talk(number) for number in range(200)))
    # One that vanishes without a word.
    one = await socket("/echo").__aenter__()
    one.transport.abort()
    print("all sockets were as they should be")


asyncio.run(main())
