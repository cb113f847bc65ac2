/* How long system calls take: each is made over and over, in batches that are timed with clock_gettime(2).
 *
 *   calls FOLDER OTHER SECONDS KIND…
 *
 * KIND is `simple` (one call each), `files` (on a file in FOLDER, and opened in OTHER too) or `processes`. Each operation
 * is repeated for about SECONDS, and at least in three batches. A row for each, tab-separated: its name, the median of
 * the batches in seconds per operation, and the number of batches. lmbench's bench_n and its median are the model.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SMALL 4096
#define LARGE (1 << 20)
#define MOST 4096

static const char *self;
static char file[4096], other[4096];
static char *buffer;
static int descriptor;
static int there[2], back[2];

static void must(int right, const char *what)
{
    if (!right) {
        fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void call_getpid(void)
{
    /* Not getpid(3), which might remember. */
    must(syscall(SYS_getpid) > 0, "getpid");
}

static void call_futex(void)
{
    static int word;
    must(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0, "futex");
}

static void call_mmap(void)
{
    char *page = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(page != MAP_FAILED, "mmap");
    *page = 1;
    must(munmap(page, SMALL) == 0, "munmap");
}

static void open_close(const char *path)
{
    int found = open(path, O_RDONLY | O_CLOEXEC);
    must(found >= 0, path);
    close(found);
}

static void call_open(void)
{
    open_close(file);
}

static void call_open_other(void)
{
    open_close(other);
}

static void call_stat(void)
{
    struct stat found;
    must(stat(file, &found) == 0, file);
}

static void call_stat_other(void)
{
    struct stat found;
    must(stat(other, &found) == 0, other);
}

static void create_unlink(const char *path)
{
    char made[4100];
    snprintf(made, sizeof made, "%s.2", path);
    int found = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(found >= 0, made);
    close(found);
    must(unlink(made) == 0, made);
}

static void call_create(void)
{
    create_unlink(file);
}

static void call_create_other(void)
{
    create_unlink(other);
}

static void call_read_4k(void)
{
    must(pread(descriptor, buffer, SMALL, 0) == SMALL, "pread");
}

static void call_read_1m(void)
{
    must(pread(descriptor, buffer, LARGE, 0) == LARGE, "pread");
}

static void call_write_4k(void)
{
    must(pwrite(descriptor, buffer, SMALL, 0) == SMALL, "pwrite");
}

static void call_write_1m(void)
{
    must(pwrite(descriptor, buffer, LARGE, 0) == LARGE, "pwrite");
}

static void call_fork(void)
{
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0)
        _exit(0);
    must(waitpid(pid, NULL, 0) == pid, "waitpid");
}

static void call_fork_exec(void)
{
    int status;
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        execl(self, self, (char *)NULL);
        _exit(127);
    }
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    must(status == 0, "exec of this program");
}

static void call_pipe(void)
{
    char byte = 0;
    must(write(there[1], &byte, 1) == 1, "write to a pipe");
    must(read(back[0], &byte, 1) == 1, "read from a pipe");
}

/* What gives each byte back, until the pipe is closed. */
static void echo(void)
{
    char byte;
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        close(there[1]);
        close(back[0]);
        while (read(there[0], &byte, 1) == 1)
            must(write(back[1], &byte, 1) == 1, "write to a pipe");
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
}

static void make(const char *path)
{
    int made = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(made >= 0, path);
    must(write(made, buffer, LARGE) == LARGE, path);
    close(made);
}

static void prepare(void)
{
    buffer = malloc(LARGE);
    must(buffer != NULL, "malloc");
    memset(buffer, 'x', LARGE);
    make(file);
    make(other);
    descriptor = open(file, O_RDWR | O_CLOEXEC);
    must(descriptor >= 0, file);
}

/* A batch takes some tenths of a millisecond where nothing is between a program and the kernel. */
static const struct operation {
    const char *kind, *name;
    void (*call)(void);
    int batch;
} OPERATIONS[] = {
    {"simple", "getpid", call_getpid, 2000},
    {"simple", "futex_wake", call_futex, 2000},
    {"simple", "mmap_munmap", call_mmap, 200},
    {"files", "open_close", call_open, 200},
    {"files", "open_close_bind", call_open_other, 200},
    {"files", "stat", call_stat, 400},
    {"files", "stat_bind", call_stat_other, 400},
    {"files", "create_unlink", call_create, 20},
    {"files", "create_unlink_bind", call_create_other, 20},
    {"files", "read_4k", call_read_4k, 400},
    {"files", "read_1m", call_read_1m, 2},
    {"files", "write_4k", call_write_4k, 400},
    {"files", "write_1m", call_write_1m, 2},
    {"processes", "fork", call_fork, 2},
    {"processes", "fork_exec", call_fork_exec, 1},
    {"processes", "pipe_round_trip", call_pipe, 50},
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int ascending(const void *one, const void *two)
{
    double a = *(const double *)one, b = *(const double *)two;
    return (a > b) - (a < b);
}

static void measure(const struct operation *what, double seconds)
{
    static double batches[MOST];
    double begin = now(), end;
    int count = 0;

    /* What is done for the first time takes longer. */
    what->call();
    do {
        double before = now();
        for (int i = 0; i < what->batch; i++)
            what->call();
        end = now();
        batches[count++] = (end - before) / what->batch;
    } while (count < 3 || (end - begin < seconds && count < MOST));
    qsort(batches, count, sizeof *batches, ascending);
    printf("%s\t%.6g\t%d\n", what->name, (batches[(count - 1) / 2] + batches[count / 2]) / 2, count);
}

int main(int count, char **arguments)
{
    /* As which it is executed by itself. */
    if (count == 1)
        return 0;
    must(count > 4, "calls FOLDER OTHER SECONDS KIND…");
    self = arguments[0];
    snprintf(file, sizeof file, "%s/calls.file", arguments[1]);
    snprintf(other, sizeof other, "%s/calls.file", arguments[2]);
    prepare();
    for (int kind = 4; kind < count; kind++) {
        if (strcmp(arguments[kind], "processes") == 0)
            echo();
        for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++)
            if (strcmp(OPERATIONS[i].kind, arguments[kind]) == 0)
                measure(&OPERATIONS[i], atof(arguments[3]));
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
