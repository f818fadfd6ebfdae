# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python's clocks, alone and against what the kernel does by its own."""
import asyncio
import datetime
import os
import tempfile
import threading
import time

EARLY = 2e-6  # sleeps end by the kernel's clock, which may be this far ahead


def steady(read, count=50000):
    last = read()
    for _ in range(count):
        now = read()
        assert now >= last, (read, last, now)
        last = now


def against_files():
    """The kernel stamps a file with a time that has been, and in the end with each."""
    with tempfile.NamedTemporaryFile() as f:
        begun = time.time_ns()
        while os.stat(f.name).st_mtime_ns < begun:
            os.utime(f.name)
        assert time.time_ns() >= os.stat(f.name).st_mtime_ns
        stamp = os.stat(f.name).st_mtime
    zone = datetime.timezone.utc
    assert datetime.datetime.now(zone) >= datetime.datetime.fromtimestamp(stamp - 1e-5, zone)


def nap():
    for _ in range(20):
        begun = time.monotonic()
        time.sleep(0.003)
        assert time.monotonic() - begun >= 0.003 - EARLY
        begun = time.monotonic()
        assert not threading.Event().wait(0.003)
        assert time.monotonic() - begun >= 0.003 - EARLY


def threads():
    failed = []
    threading.excepthook = failed.append
    all_of_them = [threading.Thread(target=nap) for _ in range(4)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join()
    assert not failed, failed


async def loop():
    """Calls come in the order of their times."""
    order = []
    now = asyncio.get_running_loop().time()
    for n in (3, 1, 2, 5, 4):
        asyncio.get_running_loop().call_at(now + n / 200, order.append, n)
    while len(order) < 5:
        await asyncio.sleep(0.002)
    assert order == [1, 2, 3, 4, 5], order


for clock in (time.monotonic, time.monotonic_ns, time.perf_counter, time.perf_counter_ns,
              lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW),
              lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)):
    steady(clock)
against_files()
threads()
asyncio.run(loop())
print("ok")
