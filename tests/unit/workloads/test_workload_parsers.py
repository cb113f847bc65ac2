"""What each program really wrote, shortened, and what is read from it."""

import json

import pytest

from labkit.errors import LabkitError
from labkit.workloads.all import WORKLOADS

FIO = {
    "fio version": "fio-3.33",
    "jobs": [
        {
            "jobname": "job",
            "read": {
                "io_bytes": 33169408,
                "bw_bytes": 211270114,
                "iops": 51579.617834,
                "total_ios": 8098,
                "clat_ns": {"percentile": {"50.000000": 1272, "95.000000": 2024, "99.000000": 9536}},
            },
            "write": {
                "io_bytes": 33939456,
                "bw_bytes": 216174878,
                "iops": 52777.070064,
                "total_ios": 8286,
                "clat_ns": {"percentile": {"50.000000": 1400, "95.000000": 2192, "99.000000": 8384}},
            },
        }
    ],
}
IPERF3 = {
    "end": {
        "sum_sent": {"bytes": 536870912, "bits_per_second": 4341560927.877986, "retransmits": 3},
        "sum_received": {"bytes": 532021248, "bits_per_second": 4284330890.94619},
    }
}
REDIS = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"'
)
WRK = """\
Running 1s test @ http://198.18.77.2:8080/index.html
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    24.23ms   35.22ms 159.93ms   83.89%
    Req/Sec     2.38k     2.86k    7.12k    77.78%
  Latency Distribution
     50%  679.00us
     75%   34.21ms
     90%   80.27ms
     99%    1.44s
  2234 requests in 1.10s, 2.69MB read
Requests/sec:   2039.75
Transfer/sec:      2.46MB
"""
STRESS = """\
stress-ng: info:  [1] dispatching hogs: 1 {0}
stress-ng: metrc: [1] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: metrc: [1]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)
stress-ng: metrc: [1] {0}             1000      0.03      0.01      0.00     29996.38      148544.27
stress-ng: metrc: [1] miscellaneous metrics:
stress-ng: metrc: [1] {0}             30946.02 nanosecs per context switch (pipe method) (geometic mean)
stress-ng: info:  [1] successful run completed in 0.07s
"""
SOCKPERF = """\
sockperf: [Total Run] RunTime=1.425 sec; Warm up time=400 msec; SentMessages=17215; ReceivedMessages=17214
sockperf: [Valid Duration] RunTime=0.523 sec; SentMessages=9329; ReceivedMessages=9329
sockperf: Summary: Round trip is 55.968 usec
sockperf: ---> <MAX> observation = 10879.857
sockperf: ---> percentile 99.999 = 10879.857
sockperf: ---> percentile 99.000 = 1516.700
sockperf: ---> percentile 90.000 =   16.390
sockperf: ---> percentile 75.000 =   14.396
sockperf: ---> percentile 50.000 =   13.905
"""
MEMCSLAP = """\
Time to generate       5000 test keys:                0.026 seconds.
Time to set            5000 keys:                     0.586 seconds.
Time to get           20000 keys by    4 threads:     2.114 seconds.
Time total:                                           2.727 seconds.
"""
PGBENCH = """\
number of transactions actually processed: 4/4
latency average = 4.083 ms
initial connection time = 77.614 ms
tps = 979.585439 (without initial connection time)
0 1 25840 0 1795928564 619934
1 1 1831 0 1795928564 619957
2 1 8280 0 1795928564 619962
3 1 1815 0 1795928564 619967
"""
FIO_READS = {"bandwidth": 427444992, "rate": 104356.687898, "latency_p50": 1.4e-6, "latency_p99": 9.536e-6}

WRITTEN = {
    "syscalls": (
        "getpid\t1.37523e-07\t39\nread_1m\t0.000169936\t60\n",
        {"syscall_getpid": 1.37523e-07, "syscall_read_1m": 0.000169936},
    ),
    "processes": (
        "fork\t0.000230708\t21\nfork_exec\t0.00263284\t11\n",
        {"syscall_fork": 0.000230708, "syscall_fork_exec": 0.00263284},
    ),
    "stress-fork": (STRESS.format("fork"), {"throughput": 29996.38}),
    "stress-switch": (STRESS.format("switch"), {"throughput": 29996.38}),
    "stress-malloc": (STRESS.format("malloc"), {"throughput": 29996.38}),
    "sysbench-cpu": ("CPU speed:\n    events per second:    68.51\n", {"throughput": 68.51}),
    "openssl": ("+H:16384\n+F:25:sha256:150126592.00\n", {"throughput": 150126592}),
    "sysbench-memory": ("\n614.00 MiB transferred (1432.36 MiB/sec)\n", {"throughput": 1432.36 * 2**20}),
    "triad": (
        "copy 2180331812.9\ntriad 3.309e+09\n",
        {"throughput": 3.309e9, "copy": 2180331812.9},
    ),
    **{
        f"fio-{name}": (f"fio: a note that comes first\n{json.dumps(FIO)}", FIO_READS)
        for name in (
            "read-direct",
            "randread-direct",
            "randwrite-direct",
            "randread",
            "write",
            "create",
            "tmpfs",
            "image",
        )
    },
    **{
        name: (json.dumps(IPERF3), {"throughput": 4284330890.94619 / 8, "retransmits": 3, "operations": 507.375})
        for name in ("iperf3-in", "iperf3-out")
    },
    "redis-ping": (
        f'{REDIS}\n"PING_MBULK","865.05","1.146","0.032","0.047","4.887","19.967","27.983"\n',
        {"throughput": 865.05, "latency_p50": 4.7e-5, "latency_p95": 4.887e-3, "latency_p99": 0.019967},
    ),
    "redis": (
        f'{REDIS}\n"GET","9328.31","1.146","0.032","0.567","8.671","35.967","40.983"\n',
        {"throughput": 9328.31, "latency_p50": 5.67e-4, "latency_p99": 0.035967},
    ),
    "sockperf": (
        SOCKPERF,
        {"latency_p50": 13.905e-6, "latency_p99": 1516.7e-6, "latency_mean": 55.968e-6, "operations": 17214},
    ),
    "sockperf-udp": (SOCKPERF, {"latency_p50": 13.905e-6, "operations": 17214}),
    "nginx": (
        WRK,
        {"throughput": 2039.75, "latency_p50": 679e-6, "latency_p90": 0.08027, "latency_p99": 1.44, "operations": 2234},
    ),
    "memcached": (MEMCSLAP, {"throughput": 20000 / 2.114}),
    "postgresql": (
        PGBENCH,
        {"throughput": 979.585439, "latency_p50": 8280e-6, "latency_p95": 25840e-6, "latency_p99": 25840e-6},
    ),
    "sqlite": ("wal\nbegin|1795928581.588\n51\n53\nend|1795928581.956\n", {"run_time": 0.368}),
    "python": (
        "import 1.7855029\nloop 0.1531598\narrays 4.631e-01\n",
        {"run_time": 2.4017627, "import": 1.7855029, "loop": 0.1531598, "arrays": 0.4631},
    ),
    "compile": ("seconds 1.890\n", {"run_time": 1.89}),
    "ffmpeg": ("seconds 0.412\n", {"run_time": 0.412}),
    "zstd": (
        "bench 1.5.4 : input 33342568 bytes, 0 seconds, 0 KB blocks\n"
        "-3     12450276 (2.678)  185.91 MB/s   722.6 MB/s  cc1\n",
        {"throughput": 185.91e6, "decompression": 722.6e6},
    ),
}
# The empty one writes nothing.
BY_NAME = {workload.name: workload for workload in WORKLOADS if workload.group != "harness"}


def test_every_workload_has_an_output_that_its_program_wrote():
    assert set(WRITTEN) == set(BY_NAME)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_figures_are_read_from_what_the_program_wrote(name):
    text, wanted = WRITTEN[name]
    found = {one.metric: one.value for one in BY_NAME[name].parse(text)}
    assert {metric: found[metric] for metric in wanted} == pytest.approx(wanted)
    assert BY_NAME[name].main in found


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("text", ["", "Segmentation fault\n", "{}", '{"jobs": [], "end": null}', "a\tb\tc\n"])
def test_an_output_of_another_kind_is_refused(name, text):
    with pytest.raises(LabkitError):
        BY_NAME[name].parse(text)


@pytest.mark.parametrize("name", WRITTEN)
def test_an_output_that_was_cut_short_is_refused(name):
    text = WRITTEN[name][0]
    with pytest.raises(LabkitError):
        BY_NAME[name].parse(text[: len(text) // 4])


@pytest.mark.parametrize("error", ["  Socket errors: connect 0, read 3, write 0, timeout 0", "  Non-2xx responses: 7"])
def test_errors_that_wrk_met_are_no_throughput(error):
    with pytest.raises(LabkitError, match="errors"):
        BY_NAME["nginx"].parse(WRK + error)
