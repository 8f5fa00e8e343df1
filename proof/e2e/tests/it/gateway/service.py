"""A service of HTTP/1.1 that misbehaves as its path says, and behaves at every other path. Says in its first line where
it listens; argv[1] is the port, if it matters."""

import asyncio
import re
import socket
import struct
import sys

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"x" * 500
CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


class Hangup(Exception):
    pass


def head(*lines):
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


# What is sent for these paths, as it stands.
ANSWERS = {
    "/hints": b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n" + OK,
    "/processing": b"HTTP/1.1 102 Processing\r\n\r\n" * 50 + OK,
    "/chunks": CHUNKS + b"2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
    "/chunk-extension": CHUNKS + b"2;a=b\r\nok\r\n0\r\n\r\n",
    "/no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/reason": b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok",
    "/old": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "/odd-status": b"HTTP/1.1 299 Odd\r\ncontent-length: 2\r\n\r\nok",
    "/latin": head(b"x-latin: \xe9", b"content-length: 2") + b"ok",
    "/both": head(b"content-length: 9", b"transfer-encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n",
    "/keep-alive": head(b"connection: keep-alive, x-hop", b"x-hop: 1", b"keep-alive: timeout=1", b"content-length: 2") + b"ok",
    "/garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
    "/http2": b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\1\0\0\0\5\0\xff\xff\xff",
    "/bad-status": b"HTTP/1.1 banana OK\r\ncontent-length: 2\r\n\r\nok",
    "/small-status": b"HTTP/1.1 99 Low\r\ncontent-length: 2\r\n\r\nok",
    "/bad-length": head(b"content-length: two") + b"ok",
    "/negative-length": head(b"content-length: -2") + b"ok",
    "/lengths-differ": head(b"content-length: 2", b"content-length: 3") + b"ok!",
    "/name-with-space": head(b"x y: z", b"content-length: 2") + b"ok",
    "/value-with-nul": head(b"x: y\0z", b"content-length: 2") + b"ok",
    "/no-colon": head(b"banana", b"content-length: 2") + b"ok",
    "/not-chunked": head(b"transfer-encoding: gzip") + b"ok",
    "/many-headers": head(*(b"x-%d: y" % number for number in range(1000)), b"content-length: 2") + b"ok",
    "/large-header": head(b"x: " + b"y" * 2_000_000, b"content-length: 2") + b"ok",
    "/switch": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
}
# The same, and then the end of the connection.
ENDS = {
    "/close": b"",
    "/close-in-head": b"HTTP/1.1 200 OK\r\ncontent-",
    "/close-in-body": HALF,
    "/close-in-chunk": CHUNKS + b"5\r\nab",
    "/close-between-chunks": CHUNKS + b"2\r\nok\r\n",
    "/until-close": b"HTTP/1.1 200 OK\r\n\r\nok",
    "/bad-chunk": CHUNKS + b"2\r\nok\r\nbanana\r\n",
    "/huge-chunk": CHUNKS + b"fffffffffffffffff\r\nok",
}
# And then a reset.
RESETS = {"/reset": b"", "/reset-in-head": b"HTTP/1.1 200 OK\r\ncontent-", "/reset-in-body": HALF}
# And then silence.
STALLS = {"/silence": b"", "/silence-in-head": b"HTTP/1.1 200 OK\r\ncontent-", "/silence-in-body": HALF}


async def serve(reader, writer):
    try:
        while True:
            asked = await reader.readuntil(b"\r\n\r\n")
            path = asked.split(b" ", 2)[1].decode().split("?")[0]
            length = LENGTH.search(asked)
            if path == "/early":
                # Answers at once, and reads nothing of the body.
                writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
                await writer.drain()
                raise Hangup
            if length:
                await reader.readexactly(int(length[1]))
            elif b"transfer-encoding: chunked" in asked.lower():
                while (size := int((await reader.readline()).split(b";")[0], 16)) > 0:
                    await reader.readexactly(size + 2)
                while await reader.readline() != b"\r\n":
                    pass
            await answer(path, reader, writer)
    except (Hangup, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def answer(path, reader, writer):
    if path in ENDS:
        writer.write(ENDS[path])
        await writer.drain()
        raise Hangup
    if path in RESETS:
        writer.write(RESETS[path])
        await writer.drain()
        # What was sent is to arrive before the reset.
        await asyncio.sleep(0.05)
        own = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        raise Hangup
    if path in STALLS:
        writer.write(STALLS[path])
        await reader.read()
        raise Hangup
    if path == "/half-closed":
        writer.write_eof()
        await reader.read()
        raise Hangup
    if path == "/endless-head":
        writer.write(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while True:
            writer.write(b"x-%d: %s\r\n" % (number, b"y" * 1000))
            number += 1
            await writer.drain()
    if path == "/endless-continue":
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            await writer.drain()
    if path in ("/drip", "/events"):
        kind = b"text/event-stream" if path == "/events" else b"text/plain"
        writer.write(head(b"content-type: " + kind, b"transfer-encoding: chunked"))
        for number in range(1000 if path == "/drip" else 5):
            line = b"data: %d\n\n" % number
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(b"0\r\n\r\n")
        return
    if path == "/endless":
        writer.write(CHUNKS)
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
    if path == "/pause":
        await asyncio.sleep(0.05)
    writer.write(ANSWERS.get(path, OK))
    await writer.drain()


async def main():
    port = int(sys.argv[1]) if sys.argv[1:] else 0
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1000)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
