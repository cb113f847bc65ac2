import threading

from labkit.bench import usage


def test_the_switches_of_every_thread_are_counted():
    before, _ = usage._switches(threading.get_native_id())
    done = threading.Event()
    asleep = threading.Event()

    def rest() -> None:
        for _ in range(200):
            asleep.wait(0.0001)
        done.set()
        asleep.wait(30)

    thread = threading.Thread(target=rest)
    thread.start()
    done.wait(30)
    after, _ = usage._switches(threading.get_native_id())
    asleep.set()
    thread.join()
    assert after - before >= 200


def test_a_process_that_is_gone_has_none():
    assert usage._switches(2**22 + 1) == (0, 0)
