"""The supervisor, over small stand-in programs and the real stores, in a process of its own."""

import os
import signal
from pathlib import Path

from deploy.local.ports import free_port
from deploy.local.process import MAX_LOG_BYTES, rotate
from tests.local.helpers import Runner, pid_at, processes_of
from tests.support.polling import eventually_blocking


def web(name: str, port: int, *args: object, **fields: object) -> dict[str, object]:
    url = f"http://127.0.0.1:{port}/"
    return {"name": name, "args": ["--port", port, *args], "ready": url, **fields}


def test_starts_in_order_and_stops_without_a_trace(home: Path) -> None:
    port, marker = free_port(), home / "made"
    runner = Runner(
        home,
        {"name": "make", "args": ["--makes", marker.name, "--exit", 0], "one_shot": True},
        web("service", port, "--needs", marker.name, "--parent", after=["make"], stage=1),
    )
    assert runner.says("all up")
    assert runner.text().index("make is done") < runner.text().index("service is ready")
    assert pid_at(port)
    # runner, service, and what the service started
    assert eventually_blocking(lambda: len(processes_of(home)) == 3)

    runner.popen.send_signal(signal.SIGTERM)

    runner.ends(code=0)
    assert "stopped" in runner.text()


def test_ctrl_c_stops_too_and_a_second_one_kills_the_stubborn(home: Path) -> None:
    runner = Runner(home, {"name": "mule", "args": ["--stubborn"]})
    assert runner.says("all up")
    log = home / "logs" / "mule.log"
    assert eventually_blocking(lambda: "hello" in log.read_text())

    runner.popen.send_signal(signal.SIGINT)
    assert runner.says("stopping")
    runner.popen.send_signal(signal.SIGINT)

    runner.ends(code=0)


def test_a_dead_process_is_told_about_and_started_again(home: Path) -> None:
    port = free_port()
    runner = Runner(home, web("payment_svc", port))
    assert runner.says("all up")
    first = pid_at(port)
    assert first

    os.kill(first, signal.SIGKILL)

    assert eventually_blocking(lambda: pid_at(port) not in {None, first})
    assert runner.says("payment_svc died (signal 9); restarting in 2 s; last lines of its log")
    assert runner.says("    stand-in says hello")
    runner.popen.send_signal(signal.SIGTERM)
    runner.ends(code=0)


def test_what_a_dead_process_had_started_dies_with_it(home: Path) -> None:
    port = free_port()
    runner = Runner(home, web("service", port, "--parent"))
    assert runner.says("all up")
    assert eventually_blocking(lambda: len(processes_of(home)) == 3)
    first = pid_at(port)
    assert first

    os.kill(first, signal.SIGKILL)

    assert eventually_blocking(lambda: pid_at(port) not in {None, first})
    assert eventually_blocking(lambda: len(processes_of(home)) == 3)
    runner.popen.send_signal(signal.SIGTERM)
    runner.ends(code=0)


def test_a_failed_one_shot_ends_the_start(home: Path) -> None:
    runner = Runner(
        home,
        web("agent", free_port()),
        {"name": "migrate", "args": ["--needs", "\x1b[2Jnothing"], "one_shot": True},
        web("service", free_port(), after=["migrate"]),
    )
    runner.ends(code=1)
    assert "migrate did not come up: died (exit code 1); last lines of its log" in runner.text()
    assert "    [2Jnothing is missing" in runner.text()
    assert "\x1b" not in runner.text()
    assert not (home / "logs" / "service.log").exists()


def test_a_process_that_keeps_dying_before_it_is_ready_ends_the_start(home: Path) -> None:
    runner = Runner(home, web("agent", free_port()), {**web("task_svc", 1), "args": ["--exit", 3]})
    runner.ends(code=1)
    assert runner.text().count("task_svc died (exit code 3); restarting") == 2
    assert "task_svc did not come up: died (exit code 3)" in runner.text()


def test_a_program_that_is_not_there_ends_the_start(home: Path) -> None:
    runner = Runner(home, {"name": "ghost", "argv": ["/nowhere/ghost"]})
    runner.ends(code=1)
    assert "ghost cannot be started: " in runner.text()
    assert "/nowhere/ghost" in runner.text()


def test_killing_the_runner_leaves_no_process(home: Path) -> None:
    port = free_port()
    runner = Runner(
        home,
        {"name": "postgres", "port": free_port()},
        {"name": "nats", "port": free_port()},
        web("service", port, "--stubborn"),
    )
    assert runner.says("all up")
    assert len(processes_of(home)) > 4

    runner.popen.kill()

    runner.ends(code=-signal.SIGKILL)
    again = Runner(home, {"name": "postgres", "port": free_port()})
    assert again.says("all up")
    again.popen.send_signal(signal.SIGTERM)
    again.ends(code=0)


def test_a_killed_postgres_comes_back_under_the_runner(home: Path) -> None:
    runner = Runner(home, {"name": "postgres", "port": free_port()})
    assert runner.says("all up")
    note = home / "postgres" / "postmaster.pid"

    os.kill(int(note.read_text().split("\n")[0]), signal.SIGKILL)

    assert runner.says("postgres died (signal 9)")
    assert eventually_blocking(lambda: runner.text().count("postgres is ready") == 2)
    runner.popen.send_signal(signal.SIGTERM)
    runner.ends(code=0)


def test_a_second_runner_on_the_same_home_is_refused(home: Path) -> None:
    first = Runner(home, {"name": "idle", "args": []})
    assert first.says("all up")
    first.output = home / "first.txt"
    (home / "output.txt").rename(first.output)

    second = Runner(home, {"name": "idle", "args": []})

    assert second.popen.wait() == 1
    assert f"already runs from {home} (process {first.popen.pid})" in second.text()
    assert first.popen.poll() is None
    first.popen.send_signal(signal.SIGTERM)
    first.ends(code=0)


def test_a_log_that_has_grown_long_is_set_aside(home: Path) -> None:
    logs = home / "logs"
    logs.mkdir()
    (logs / "idle.log").write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    runner = Runner(home, {"name": "idle", "args": []})
    assert eventually_blocking(lambda: "hello" in (logs / "idle.log").read_text())
    assert (logs / "idle.log").stat().st_size < 100
    assert (logs / "idle.log.1").stat().st_size == MAX_LOG_BYTES + 1
    runner.popen.send_signal(signal.SIGTERM)
    runner.ends(code=0)


def test_a_process_that_lives_and_cannot_work_is_started_again(home: Path) -> None:
    port, sign = free_port(), home / "sick"
    runner = Runner(home, web("bus", port, "--stubborn", sick=sign.name))
    assert runner.says("all up")
    first = pid_at(port)
    sign.touch()
    assert runner.says("bus could not work any more; restarting in 2 s")
    sign.unlink()
    assert eventually_blocking(lambda: pid_at(port) not in {None, first})
    runner.popen.send_signal(signal.SIGTERM)
    assert runner.says("stopping")
    runner.popen.send_signal(signal.SIGTERM)  # It is stubborn: it would be waited for.
    runner.ends(code=0)


def test_a_log_is_set_aside_while_it_is_written(home: Path) -> None:
    log = home / "busy.log"
    with log.open("ab", buffering=0) as busy:
        busy.write(b"x" * MAX_LOG_BYTES)
        rotate(log)
        assert not log.with_suffix(".log.1").exists()
        busy.write(b"y\n")
        rotate(log)
        busy.write(b"z\n")
    assert log.read_bytes() == b"z\n"
    kept = log.with_suffix(".log.1").read_bytes()
    assert (len(kept), kept[-2:]) == (MAX_LOG_BYTES + 2, b"y\n")
    assert sorted(path.name for path in home.iterdir()) == ["busy.log", "busy.log.1"]


def test_logs_of_what_runs_are_looked_after(home: Path) -> None:
    runner = Runner(home, {"name": "idle", "args": []})
    assert runner.says("all up")
    log = home / "logs" / "idle.log"
    with log.open("ab") as busy:
        busy.write(b"x" * (MAX_LOG_BYTES + 1))
    assert eventually_blocking((home / "logs" / "idle.log.1").exists)
    assert eventually_blocking(lambda: log.stat().st_size < MAX_LOG_BYTES)
    runner.popen.send_signal(signal.SIGTERM)
    runner.ends(code=0)
