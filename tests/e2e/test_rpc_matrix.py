"""Every RPC against every state of the caller, generated from the descriptors: a new RPC is in it without being asked."""
import os
import queue
import time

import grpc
import harness
from harness import Raw, check, equal, wait_for
from p2p.v1 import accounts_pb2, admin_pb2, broadcast_pb2, directory_pb2, peering_pb2, relay_link_pb2

PUBLIC = {"AccountService/Hello", "AccountService/Signup", "AccountService/Login", "AccountService/Resume"}
# Not for clients: one on a Unix socket, one only on a server that has a relay token.
ELSEWHERE = {"AdminService", "RelayLink"}


def rpcs():
    """(name, path, descriptor) of every RPC."""
    for module in (accounts_pb2, admin_pb2, broadcast_pb2, directory_pb2, peering_pb2, relay_link_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"{service.name}/{method.name}", f"/{service.full_name}/{method.name}", method


def streams(name):
    return name in ("PeeringService/ApprovalChannel", "RelayLink/Link")


def code_of(raw, name, path, token):
    """The status code of a call with an empty request."""
    metadata = token or []
    try:
        if streams(name):
            call = raw.channel.stream_stream(path)(iter([b""]), metadata=metadata, timeout=10)
            for _ in call:
                pass
        else:
            raw.channel.unary_unary(path)(b"", metadata=metadata, timeout=10)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def bearer(text):
    return [("authorization", text)]


def test_the_lists_above_name_rpcs_that_exist(world):
    names = {name for name, _, _ in rpcs()}
    check(len(names) > 25, f"only {len(names)} RPCs were found")
    equal(PUBLIC - names, set(), "public RPCs that are not there")
    equal(ELSEWHERE - {name.split("/")[0] for name in names}, set(), "services that are not there")
    for name, _, method in rpcs():
        if hasattr(method, "client_streaming"):
            equal(streams(name), method.client_streaming, f"{name} streams")


def test_every_rpc_refuses_everybody_without_a_valid_token(world):
    server = world.server("--set", "timing.access_token=4s")
    raw = Raw(server)
    raw.sign_up("alice", "a good password")
    expired = raw.log_in("alice", "a good password", device=True)
    born = time.monotonic()
    logged_out = raw.log_in("alice", "a good password", device=True)
    raw.accounts.Logout(accounts_pb2.LogoutRequest(), metadata=logged_out, timeout=10)
    raw.sign_up("bob", "a good password")
    ended, kept = (raw.log_in("bob", "a good password", device=True) for _ in range(2))
    raw.accounts.ChangePassword(
        accounts_pb2.ChangePasswordRequest(old_password="a good password", new_password="a better password",
                                           confirm_password="a better password"), metadata=kept, timeout=10)
    raw.sign_up("mallory", "a good password")
    revoked = raw.log_in("mallory", "a good password", device=True)
    try:  # An invalid request costs the token.
        raw.peering.RequestPeer(peering_pb2.RequestPeerRequest(username="nobody-of-that-name", nonce=b"n" * 16), metadata=revoked,
                                timeout=10)
        raise harness.Failure("no penalty")
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.PERMISSION_DENIED, "the penalty")
    raw.close()
    raw = Raw(server)
    wait_for("the first token is over", lambda: time.monotonic() > born + 4.1)

    callers = {
        "no token": [],
        "an empty token": bearer("Bearer "),
        "a token of the right size": bearer("Bearer " + "A" * 43),
        "a token without its scheme": bearer(expired[0][1].split()[1]),
        "an expired token": expired,
        "a token that was logged out": logged_out,
        "a token that a penalty revoked": revoked,
        "a token that a new password ended": ended,
        "an overlong token": bearer("Bearer " + "A" * 4000),
    }
    tried = 0
    for name, path, _ in rpcs():
        raw.close()
        raw = Raw(server)  # A connection without a log-in may send 64 KiB only, and the overlong tokens add up.
        for who, token in callers.items():
            code = code_of(raw, name, path, token)
            if name.split("/")[0] in ELSEWHERE:
                equal(code, grpc.StatusCode.UNIMPLEMENTED, f"{name} with {who}")
            elif name in PUBLIC:
                check(code != grpc.StatusCode.PERMISSION_DENIED, f"{name} with {who}: {code}")
                if name != "AccountService/Hello":
                    check(code != grpc.StatusCode.OK, f"{name} with {who}: an empty request was accepted")
            else:
                equal(code, grpc.StatusCode.UNAUTHENTICATED, f"{name} with {who}")
            tried += 1
    # The token alone makes the difference.
    fresh = raw.log_in("alice", "a good password", device=True)
    for name, path, _ in rpcs():
        if name in PUBLIC or name.split("/")[0] in ELSEWHERE or name == "AccountService/Logout":
            continue
        code = code_of(raw, name, path, fresh)
        check(code != grpc.StatusCode.UNAUTHENTICATED, f"{name} with a valid token: {code}")
    check(tried >= 150, f"{tried} combinations")
    raw.close()


class Member:
    """Somebody attached with stubs only."""

    def __init__(self, server, name):
        self.name = name
        self.raw = Raw(server)
        self.raw.sign_up(name, "a good password")
        self.token = self.raw.log_in(name, "a good password", device=True)
        self.up = queue.Queue()
        self.say(attach=peering_pb2.Attach(take_over=True))
        self.down = self.raw.peering.ApprovalChannel(iter(self.up.get, None), metadata=self.token)
        self.hear("attached")

    def say(self, **event):
        self.up.put(peering_pb2.ClientEvent(**event))

    def hear(self, kind):
        for event in self.down:
            if event.WhichOneof("event") == kind:
                return getattr(event, kind)
        raise harness.Failure(f"{self.name}: the channel ended before {kind}")

    def close(self):
        self.up.put(None)
        self.raw.close()


def refusal(call, request, metadata):
    try:
        call(request, metadata=metadata, timeout=10)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise harness.Failure(f"{request} was answered")


def test_ids_of_others_are_as_good_as_none(world):
    server = world.server()
    alice, bob, eve = (Member(server, name) for name in ("alice", "bob", "eve"))
    sent = alice.raw.peering.RequestPeer(peering_pb2.RequestPeerRequest(username="bob", nonce=b"n" * 16), metadata=alice.token,
                                         timeout=10)
    equal(bob.hear("peer_request").request_id, sent.request_id, "the request")
    unknown = os.urandom(16).hex()

    theirs = refusal(eve.raw.peering.GetRequest, peering_pb2.GetRequestRequest(request_id=sent.request_id), eve.token)
    none = refusal(eve.raw.peering.GetRequest, peering_pb2.GetRequestRequest(request_id=unknown), eve.token)
    equal(theirs[0], grpc.StatusCode.NOT_FOUND, "a request of others")
    equal(theirs[1].replace(sent.request_id, "ID"), none[1].replace(unknown, "ID"), "the two answers")

    # Nobody but the target approves or denies, nobody but the requester cancels.
    for who, event in ((eve, {"approve": peering_pb2.Approve(request_id=sent.request_id, nonce=b"n" * 16)}),
                       (eve, {"deny": peering_pb2.Deny(request_id=sent.request_id)}),
                       (eve, {"cancel": peering_pb2.Cancel(request_id=sent.request_id)}),
                       (bob, {"cancel": peering_pb2.Cancel(request_id=sent.request_id)}),
                       (alice, {"approve": peering_pb2.Approve(request_id=sent.request_id, nonce=b"n" * 16)})):
        who.say(**event)
        equal(who.hear("rejected").request_id, sent.request_id, f"{who.name}: {list(event)}")
    state = alice.raw.peering.GetRequest(peering_pb2.GetRequestRequest(request_id=sent.request_id), metadata=alice.token, timeout=10)
    equal(state.state, peering_pb2.PENDING, "state after all that")

    told = alice.raw.broadcasts.Broadcast(broadcast_pb2.BroadcastRequest(text="mine"), metadata=alice.token, timeout=10)
    theirs = refusal(eve.raw.broadcasts.GetBroadcast, broadcast_pb2.GetBroadcastRequest(broadcast_id=told.broadcast_id), eve.token)
    none = refusal(eve.raw.broadcasts.GetBroadcast, broadcast_pb2.GetBroadcastRequest(broadcast_id=unknown), eve.token)
    equal(theirs[0], grpc.StatusCode.NOT_FOUND, "a broadcast of others")
    equal(theirs[1].replace(told.broadcast_id, "ID"), none[1].replace(unknown, "ID"), "the two answers")
    listed = eve.raw.broadcasts.ListBroadcasts(broadcast_pb2.ListBroadcastsRequest(), metadata=eve.token, timeout=10)
    equal(len(listed.broadcasts), 0, "broadcasts that eve is shown")
    for member in (alice, bob, eve):
        member.close()


if __name__ == "__main__":
    harness.main(globals())
