"""Drives a hub with Google's own gRPC: `foreign.py ADDRESS DESCRIPTORS`. Exits 77 when the wheels are missing."""

import queue
import sys
import uuid

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError as error:
    print(error)
    sys.exit(77)

ADDRESS, DESCRIPTORS = sys.argv[1:]
POOL = descriptor_pool.DescriptorPool()
with open(DESCRIPTORS, "rb") as file:
    for described in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        POOL.Add(described)
SERVICE = POOL.FindServiceByName("mamparo.hub.v1.Hub")


def message(name):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName("mamparo.hub.v1." + name))


def method(channel, name):
    found = SERVICE.methods_by_name[name]
    request, reply = (message_factory.GetMessageClass(kind) for kind in (found.input_type, found.output_type))
    kind = channel.stream_stream if found.client_streaming else channel.unary_unary
    path = f"/{SERVICE.full_name}/{name}"
    return kind(path, request_serializer=request.SerializeToString, response_deserializer=reply.FromString)


class Stream:
    """Requests in, answers out, until it is closed."""

    def __init__(self, channel, name):
        self.requests = queue.SimpleQueue()
        self.answers = method(channel, name)(iter(self.requests.get, None), timeout=20)

    def ask(self, request):
        self.requests.put(request)
        answer = next(self.answers)
        assert answer.sequence == request.sequence, (answer.sequence, request.sequence)
        return answer

    def close(self):
        self.requests.put(None)
        assert list(self.answers) == []


def publish(stream, sequence, *messages, append=False):
    return stream.ask(message("PublishRequest")(sequence=sequence, messages=messages, append=append))


def settle(stream, sequence, deliveries, **how):
    receipts = [delivery.receipt for delivery in deliveries]
    asked = message("Settle")(queue="jobs", receipts=receipts, **how)
    return stream.ask(message("ReceiveRequest")(sequence=sequence, settle=asked)).settled.live


def receive(stream, sequence, messages=10):
    credit = message("Credit")(queue="jobs", messages=messages, visibility_ms=30_000, wait_ms=10_000)
    return stream.ask(message("ReceiveRequest")(sequence=sequence, credit=credit)).deliveries.deliveries


def a_message(topic, payload, **more):
    return message("Message")(topic=topic, payload=payload, **more)


with grpc.insecure_channel(ADDRESS) as channel:
    into, outof = Stream(channel, "Publish"), Stream(channel, "Receive")

    own = uuid.uuid4().bytes
    header = message("Header")(name="content-type", value="text/plain")
    sent = [a_message("jobs", b"one", id=own, key="k", headers=[header]), a_message("jobs", b"two")]
    accepted = publish(into, 1, *sent).accepted
    assert accepted.ids[0] == own and len(accepted.ids[1]) == 16, accepted

    refused = publish(into, 2, a_message("nowhere", b"x")).error
    assert refused.code == POOL.FindEnumTypeByName("mamparo.hub.v1.Code").values_by_name["CODE_UNKNOWN"].number
    assert refused.subject == "nowhere", refused

    found = receive(outof, 1)
    assert [delivery.message.payload for delivery in found] == [b"one", b"two"], found
    assert found[0].message.id == own and found[0].message.key == "k" and found[0].attempt == 1
    assert found[0].message.headers[0] == header
    assert settle(outof, 2, found[:1], ack=message("Ack")()) == 1
    assert settle(outof, 3, found[:1], ack=message("Ack")()) == 0
    assert settle(outof, 4, found[1:], nack=message("Nack")(error="later")) == 1
    again = receive(outof, 5)
    assert [(delivery.attempt, delivery.last_error) for delivery in again] == [(2, "later")], again
    outof.close()  # what it holds is given back

    outof = Stream(channel, "Receive")
    again = receive(outof, 1)
    assert [delivery.attempt for delivery in again] == [2], again
    assert settle(outof, 2, again, reject=message("Reject")(error="never")) == 1
    outof.close()

    dead = method(channel, "ListDeadLetters")(message("ListDeadLettersRequest")(limit=10)).dead_letters
    assert [(letter.payload, letter.error) for letter in dead] == [("two", "never")], dead
    method(channel, "Discard")(message("DiscardRequest")(sequence=dead[0].sequence))
    try:
        method(channel, "Redrive")(message("RedriveRequest")(sequence=dead[0].sequence))
        raise AssertionError("a dead letter that is gone")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
        assert ("mamparo-code", "UNKNOWN_DEAD_LETTER") in error.trailing_metadata(), error.trailing_metadata()

    places = publish(into, 3, *(a_message("facts", b"x", key="k") for _ in range(3)), append=True).accepted.places
    assert [place.offset for place in places] == [0, 1, 2], places
    into.close()
    member = Stream(channel, "Consume")
    join = message("Join")(topic="facts", group="g")
    assert len(member.ask(message("ConsumeRequest")(sequence=1, join=join)).records.partitions) == 4
    asked = message("Next")(records=10, wait_ms=10_000)
    records = member.ask(message("ConsumeRequest")(sequence=2, next=asked)).records.records
    assert [record.offset for record in records] == [0, 1, 2], records
    done = message("Commit")(offsets=[message("Place")(partition=records[0].partition, offset=3)])
    assert member.ask(message("ConsumeRequest")(sequence=3, commit=done)).HasField("committed")
    member.close()
