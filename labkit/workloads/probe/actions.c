/* What is tried: each in a child, in namespaces of its own where it can make them, and with nothing left afterwards. */

#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined __x86_64__ || defined __i386__
#include <sys/io.h>
#endif

#include "probe.h"

#define AREA "actions"
#define NOBODY 65534

static int become_another(const void *unused)
{
    (void)unused;
    return failure(setresuid(NOBODY, NOBODY, NOBODY));
}

static int drop_groups(const void *unused)
{
    (void)unused;
    return failure(setgroups(0, NULL));
}

static int change_root(const void *unused)
{
    (void)unused;
    return failure(chroot("/"));
}

static int mount_something(const void *unused)
{
    int outcome;

    (void)unused;
    /* Where it may not, the mount is refused as well, or undone at once. */
    if (unshare(CLONE_NEWNS) == 0)
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    outcome = failure(mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
    if (!outcome)
        umount2("/tmp", MNT_DETACH);
    return outcome;
}

static int make_namespace(const void *flag)
{
    return failure(unshare(*(const int *)flag));
}

static int join_namespace(const void *unused)
{
    int descriptor = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

    (void)unused;
    return descriptor < 0 ? errno : failure(setns(descriptor, CLONE_NEWUTS));
}

static int name_host(const void *unused)
{
    char name[256];

    (void)unused;
    /* The name that it has. */
    return gethostname(name, sizeof name) ? errno : failure(sethostname(name, strlen(name)));
}

static int trace_child(const void *unused)
{
    int outcome;
    pid_t pid = fork();

    (void)unused;
    if (pid < 0)
        return errno;
    if (pid == 0) {
        pause();
        _exit(0);
    }
    outcome = failure(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return outcome;
}

static int find_keyring(const void *unused)
{
    (void)unused;
    return failure(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}

static int add_key_to_process(const void *unused)
{
    (void)unused;
    return failure(syscall(SYS_add_key, "user", "labkit-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

static int make_bpf_map(const void *unused)
{
    union bpf_attr about;

    (void)unused;
    memset(&about, 0, sizeof about);
    about.map_type = BPF_MAP_TYPE_ARRAY;
    about.key_size = about.value_size = 4;
    about.max_entries = 1;
    return failure(syscall(SYS_bpf, BPF_MAP_CREATE, &about, sizeof about));
}

static int watch_processor(const void *unused)
{
    struct perf_event_attr about = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof about,
        .config = PERF_COUNT_SW_CPU_CLOCK,
    };

    (void)unused;
    /* All processes on the first processor. */
    return failure(syscall(SYS_perf_event_open, &about, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
}

static int make_io_ring(const void *unused)
{
    char parameters[256] = {0};

    (void)unused;
    return failure(syscall(SYS_io_uring_setup, 1, parameters));
}

static int handle_page_faults(const void *unused)
{
    (void)unused;
    return failure(syscall(SYS_userfaultfd, O_CLOEXEC));
}

/* CAP_DAC_READ_SEARCH opens any file of a filesystem by its number, also above the root ("shocker", 2014). */
static int open_by_handle(const void *unused)
{
    struct {
        struct file_handle handle;
        unsigned char bytes[MAX_HANDLE_SZ];
    } about = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
    int id, root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)unused;
    if (name_to_handle_at(AT_FDCWD, "/", &about.handle, &id, 0) < 0)
        return errno;
    return failure(open_by_handle_at(root, &about.handle, O_RDONLY | O_CLOEXEC));
}

/* Without a module's header the kernel answers ENOEXEC, once it has looked at the privilege. */
static int load_module(const void *unused)
{
    (void)unused;
    return syscall(SYS_init_module, "", 0, "") < 0 && errno != ENOEXEC ? errno : 0;
}

/* Without its two magic numbers reboot(2) answers EINVAL, once it has looked at the privilege. */
static int reboot_host(const void *unused)
{
    (void)unused;
    return syscall(SYS_reboot, 0, 0, 0, NULL) < 0 && errno != EINVAL ? errno : 0;
}

static int raise_priority(const void *unused)
{
    (void)unused;
    errno = 0;
    return failure(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 1));
}

static int become_real_time(const void *unused)
{
    struct sched_param lowest = {.sched_priority = 1};

    (void)unused;
    return failure(sched_setscheduler(0, SCHED_FIFO, &lowest));
}

static int raise_limit(const void *unused)
{
    struct rlimit limit = {64, 64};

    (void)unused;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        return errno;
    limit.rlim_max = 128;
    return failure(setrlimit(RLIMIT_MEMLOCK, &limit));
}

static int fix_addresses(const void *unused)
{
    (void)unused;
    return failure(personality(ADDR_NO_RANDOMIZE));
}

#if defined __x86_64__ || defined __i386__
static int use_ports(const void *unused)
{
    (void)unused;
    return failure(ioperm(0x80, 1, 1));
}
#endif

static const struct {
    const char *question;
    int (*try)(const void *);
} ACTIONS[] = {
    {"become another user", become_another},
    {"drop supplementary groups", drop_groups},
    {"change its root (chroot)", change_root},
    {"mount a filesystem", mount_something},
    {"join a namespace (setns)", join_namespace},
    {"set the host name", name_host},
    {"trace a child (ptrace)", trace_child},
    {"find its session keyring", find_keyring},
    {"add a key", add_key_to_process},
    {"make a BPF map", make_bpf_map},
    {"count events of all processes (perf)", watch_processor},
    {"make an io_uring", make_io_ring},
    {"handle page faults (userfaultfd)", handle_page_faults},
    {"open a file by its handle", open_by_handle},
    {"load a kernel module", load_module},
    {"reboot", reboot_host},
    {"raise its priority", raise_priority},
    {"become a real-time process", become_real_time},
    {"raise a hard limit", raise_limit},
    {"switch off address randomization", fix_addresses},
#if defined __x86_64__ || defined __i386__
    {"use an I/O port", use_ports},
#endif
};

static const struct {
    const char *question;
    int flag;
} NAMESPACES[] = {
    {"make a user namespace", CLONE_NEWUSER},       {"make a mount namespace", CLONE_NEWNS},
    {"make a pid namespace", CLONE_NEWPID},         {"make a network namespace", CLONE_NEWNET},
    {"make an ipc namespace", CLONE_NEWIPC},        {"make a uts namespace", CLONE_NEWUTS},
    {"make a cgroup namespace", CLONE_NEWCGROUP},   {"make a time namespace", 0x80 /* CLONE_NEWTIME */},
};

void actions(void)
{
    for (size_t i = 0; i < sizeof ACTIONS / sizeof *ACTIONS; i++)
        can(AREA, ACTIONS[i].question, attempt(ACTIONS[i].try, NULL));
    for (size_t i = 0; i < sizeof NAMESPACES / sizeof *NAMESPACES; i++)
        can(AREA, NAMESPACES[i].question, attempt(make_namespace, &NAMESPACES[i].flag));
}
