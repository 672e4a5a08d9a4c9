"""M3: who connects is asked to log in or to sign up; the password twice, and equal."""
import harness
from harness import check, equal


def test_the_server_offers_both_and_checks_the_password_twice(world):
    alice = world.client(world.server(), "alice")
    equal(alice.expect("connected")["choices"], ["LOGIN", "SIGNUP"], "choices before log-in")
    alice.send(cmd="list")
    equal(alice.expect("error")["code"], "UNAUTHENTICATED", "the list is for those who logged in")
    alice.send(cmd="signup", username="alice", password="one password", confirm_password="another one")
    equal(alice.expect("error")["code"], "INVALID_ARGUMENT", "unequal passwords")
    alice.sign_up("alice", "alice-password")
    alice.send(cmd="signup", username="ALICE", password="alice-password", confirm_password="alice-password")
    equal(alice.expect("error")["code"], "ALREADY_EXISTS", "a name in another case")
    alice.send(cmd="login", username="alice", password="not her password")
    equal(alice.expect("error")["code"], "UNAUTHENTICATED", "wrong password")
    alice.log_in("alice", "alice-password")


def test_the_server_itself_compares_and_tells_to_log_in(world):
    import grpc
    from p2p.v1 import accounts_pb2
    raw = harness.Raw(world.server())
    try:
        raw.accounts.Signup(accounts_pb2.SignupRequest(username="bob", password="a good password",
                                                       confirm_password="a good passwort"), timeout=10)
        check(False, "unequal passwords were accepted")
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.INVALID_ARGUMENT, "status")
    answer = raw.sign_up("bob", "a good password")
    check("log in" in answer.message.lower(), f"the answer says what is next: {answer}")
    raw.close()


if __name__ == "__main__":
    harness.main(globals())
