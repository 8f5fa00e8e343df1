"""A WebSocket service: says in its first line where it listens."""

import asyncio
import sys

try:
    from websockets.asyncio.server import serve
except ImportError:
    print("websockets", file=sys.stderr)
    sys.exit(77)


async def talk(socket):
    if socket.request.path == "/hello":
        await socket.send("hello")
    if socket.request.path == "/bye":
        await socket.close(4001, "enough")
        return
    async for message in socket:
        await socket.send(message)


def choose(_, offered):
    return "b" if "b" in offered else None


async def main():
    async with serve(talk, "127.0.0.1", 0, max_size=None, select_subprotocol=choose) as server:
        print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
