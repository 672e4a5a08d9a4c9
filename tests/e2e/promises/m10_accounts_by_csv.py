"""M10: accounts are imported from and exported to CSV files."""
import os
import subprocess

import harness
from harness import check, equal


def test_accounts_travel_by_csv(world):
    def user(*args, check_code=0, **kwargs):
        run = subprocess.run([os.path.join(world.bin, "control-server"), "user", *args, "--data-dir", world.path("server")],
                             capture_output=True, text=True, timeout=60, **kwargs)
        equal(run.returncode, check_code, f"user {args[0]}: {run.stderr!r}")
        return run
    table = world.path("users.csv")
    with open(table, "w") as file:
        file.write('username,password\nanna,"pass,word ""quoted"""\nbert,bert-password\n')
    user("import", table)
    user("import", table)  # Again changes nothing.
    with open(world.path("bad.csv"), "w") as file:
        file.write("username,password\ncarl,carl-password\nx,short\n")
    check("3" in user("import", world.path("bad.csv"), check_code=1).stderr, "the error names the line")
    exported = user("export").stdout
    check("anna" in exported and "bert" in exported and "carl" not in exported, f"all or nothing: {exported!r}")
    server = world.server()
    anna = world.client(server, "anna")
    anna.expect("connected")
    anna.log_in("anna", 'pass,word "quoted"')
    run = subprocess.run([os.path.join(world.bin, "control-server"), "user", "export", "--data-dir", world.path("server")],
                         capture_output=True, text=True, timeout=30)
    equal((run.returncode, run.stdout), (0, exported), f"the same table from the running server ({run.stderr!r})")


def test_what_was_exported_can_be_imported_elsewhere(world):
    program = os.path.join(world.bin, "control-server")
    with open(world.path("users.csv"), "w") as file:
        file.write("username,password\nanna,anna-password\n")
    subprocess.run([program, "user", "import", world.path("users.csv"), "--data-dir", world.path("first")], check=True)
    exported = subprocess.run([program, "user", "export", "--data-dir", world.path("first")], check=True, capture_output=True)
    check(b"anna-password" not in exported.stdout, "a password is not exported in the clear")
    with open(world.path("moved.csv"), "wb") as file:
        file.write(exported.stdout)
    subprocess.run([program, "user", "import", world.path("moved.csv"), "--data-dir", world.path("second")], check=True)
    anna = world.client(world.server(data="second"), "anna")
    anna.expect("connected")
    equal(anna.log_in("anna", "anna-password")["username"], "anna", "the same password logs in")


if __name__ == "__main__":
    harness.main(globals())
