"""Holds argv[3] WebSockets to websocket_service.py open through the gateway at argv[1], over TLS where argv[2] names an
authority, and has each of them echo without a pause.

The first line says `open`. For each line that comes, the fewest messages that a socket has echoed are said; when no more
line comes, all are closed, and the last line is `closed in good order`."""

import asyncio
import ssl
import sys

try:
    from websockets.asyncio.client import connect
except ImportError:
    print("websockets", file=sys.stderr)
    sys.exit(77)

address, authority, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
context = ssl.create_default_context(cafile=authority) if authority else None
echoed = [0] * count
stop = asyncio.Event()


def socket():
    where = {"ssl": context, "server_hostname": "it.test"} if authority else {}
    scheme = "wss" if authority else "ws"
    return connect(f"{scheme}://{address}/echo", proxy=None, **where)


async def echo(number, opened):
    async with socket() as one:
        opened.release()
        while not stop.is_set():
            message = f"{number} {echoed[number]}"
            await one.send(message)
            async with asyncio.timeout(20):
                assert await one.recv() == message, message
            echoed[number] += 1
            await asyncio.sleep(0.005)
    assert one.close_code == 1000, one.close_code


async def main():
    opened = asyncio.Semaphore(0)
    sockets = asyncio.gather(*(echo(number, opened) for number in range(count)))
    for _ in range(count):
        await opened.acquire()
    print("open", flush=True)

    async def talk():
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while await lines.readline():
            print(min(echoed), flush=True)
        stop.set()

    await asyncio.gather(sockets, talk())
    print("closed in good order", flush=True)


asyncio.run(main())
