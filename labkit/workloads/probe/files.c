/* Files by which the kernel shows and changes itself: which can be read, and which would take a write.
 *
 * For the latter each is opened for writing and closed again; nothing is ever written.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

#define FILES "kernel's files"
#define DEEPEST 24

static const char *const READ[] = {
    "/proc/acpi", "/proc/asound", "/proc/cmdline", "/proc/config.gz", "/proc/interrupts", "/proc/iomem",
    "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/kpageflags", "/proc/latency_stats",
    "/proc/modules", "/proc/sched_debug", "/proc/scsi", "/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats",
    "/proc/vmallocinfo", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel/debug",
    "/sys/kernel/security", "/sys/kernel/tracing", "/sys/kernel/vmcoreinfo", "/sys/kernel/notes",
};

static const char *const WRITTEN[] = {
    "/", "/proc/bus", "/proc/fs", "/proc/irq/default_smp_affinity", "/proc/mtrr", "/proc/pressure/memory",
    "/proc/self/attr/current", "/proc/self/oom_score_adj", "/proc/sys/fs/suid_dumpable", "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/domainname", "/proc/sys/kernel/hostname", "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/shmmax",
    "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/drop_caches", "/proc/sys/vm/overcommit_memory",
    "/proc/sysrq-trigger", "/proc/timer_list", "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/profiling", "/sys/kernel/uevent_helper", "/sys/kernel/uevent_seqnum", "/sys/power/state",
};

/* Of each tree of cgroups that is mounted: a way out, and the limits that it would like to be rid of. */
static const char *const CGROUP[] = {
    "release_agent", "notify_on_release", "cgroup.procs", "cgroup.subtree_control", "devices.allow",
    "memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max", "pids.max",
};

/* 0 when it has something to read, ENODATA when it is empty, as masks are. */
static int readable(const char *path)
{
    struct stat about;
    /* Some have records of eight bytes, and give nothing to who asks for less. */
    char record[8];
    int descriptor, outcome;
    ssize_t length;

    descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    if (fstat(descriptor, &about) == 0 && S_ISDIR(about.st_mode)) {
        DIR *folder = fdopendir(descriptor);
        struct dirent *entry = NULL;
        while (folder && (entry = readdir(folder)) && entry->d_name[0] == '.')
            ;
        outcome = entry ? 0 : ENODATA;
        if (folder)
            closedir(folder);
        return outcome;
    }
    length = read(descriptor, record, sizeof record);
    outcome = length < 0 ? errno : length == 0 ? ENODATA : 0;
    close(descriptor);
    return outcome;
}

static int writable(int folder, const char *name)
{
    struct stat about;
    int descriptor;

    if (fstatat(folder, name, &about, AT_NO_AUTOMOUNT) < 0)
        return errno;
    if (S_ISDIR(about.st_mode))
        return failure(faccessat(folder, name, W_OK, AT_EACCESS));
    /* What is masked is another file, which anybody may write to. */
    if (S_ISCHR(about.st_mode))
        return ENODATA;
    descriptor = openat(folder, name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    close(descriptor);
    return 0;
}

/* What a walk finds: how many files could be written to, and in which parts of the tree. */
struct walk {
    dev_t device;
    int parts; /* how many components name a part */
    const char *skip;
    int found;
    struct names where;
};

static void note(struct walk *walk, const char *path)
{
    char part[256];
    int slashes = 0;
    size_t length = 0;

    walk->found++;
    while (path[length] && !(path[length] == '/' && ++slashes == walk->parts))
        length++;
    snprintf(part, sizeof part, "%.*s", (int)length, path);
    add(&walk->where, part);
}

/* Below the open folder, which is closed; `path` is its name from the walk's beginning. Never to another filesystem:
 * to open a file of tracefs, for one, is to do something. */
static void walk_below(int descriptor, const char *path, int depth, struct walk *walk)
{
    DIR *folder = fdopendir(descriptor);
    struct dirent *entry;

    if (!folder) {
        close(descriptor);
        return;
    }
    while ((entry = readdir(folder))) {
        char below[4096];
        struct stat about;

        if (entry->d_name[0] == '.')
            continue;
        /* Processes are not the kernel's. */
        if (depth == 0 && (atoi(entry->d_name) > 0 || (walk->skip && !strcmp(entry->d_name, walk->skip))))
            continue;
        if (fstatat(dirfd(folder), entry->d_name, &about, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
            continue;
        snprintf(below, sizeof below, "%s%s%s", path, *path ? "/" : "", entry->d_name);
        if (about.st_dev != walk->device)
            continue;
        if (S_ISDIR(about.st_mode) && depth < DEEPEST) {
            int inner = openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0)
                walk_below(inner, below, depth + 1, walk);
        } else if (S_ISREG(about.st_mode) && about.st_mode & 0222 && !writable(dirfd(folder), entry->d_name)) {
            note(walk, below);
        }
    }
    closedir(folder);
}

static void walk(const char *root, int parts, const char *skip)
{
    static struct walk walk;
    struct stat about;
    char question[256];
    int descriptor = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    memset(&walk, 0, sizeof walk);
    walk.parts = parts;
    walk.skip = skip;
    if (descriptor >= 0 && fstat(descriptor, &about) == 0) {
        walk.device = about.st_dev;
        walk_below(descriptor, "", 0, &walk);
    }
    snprintf(question, sizeof question, "files below %s that open for writing", root);
    row("count", FILES, question, "1", "%d", walk.found);
    snprintf(question, sizeof question, "where below %s", root);
    row("set", FILES, question, "", "%s", walk.where.text);
}

/* How many folders there are below one, on the same filesystem. */
static int folders(int descriptor, dev_t device, int depth)
{
    DIR *folder = fdopendir(descriptor);
    struct dirent *entry;
    int found = 0;

    while (folder && (entry = readdir(folder))) {
        struct stat about;
        int inner;
        if (entry->d_name[0] == '.' || fstatat(dirfd(folder), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (!S_ISDIR(about.st_mode) || about.st_dev != device)
            continue;
        found++;
        inner = openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0 && depth < DEEPEST)
            found += folders(inner, device, depth + 1);
        else if (inner >= 0)
            close(inner);
    }
    if (folder)
        closedir(folder);
    else
        close(descriptor);
    return found;
}

static int folders_below(const char *path)
{
    struct stat about;
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0)
        return 0;
    if (fstat(descriptor, &about) == 0)
        return folders(descriptor, about.st_dev, 0);
    close(descriptor);
    return 0;
}

static void cgroups(void)
{
    static struct names trees;
    char line[8192], place[4096], type[64], *after;
    int below = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");

    for (size_t i = 0; i < sizeof CGROUP / sizeof *CGROUP; i++) {
        char question[128];
        struct names open_in = {""};
        int outcome = ENOENT;

        if (file)
            rewind(file);
        while (file && fgets(line, sizeof line, file)) {
            char path[8192];
            int refused;
            after = strstr(line, " - ");
            if (!after || sscanf(after, " - %63s", type) != 1 || strncmp(type, "cgroup", 6))
                continue;
            if (sscanf(line, "%*s %*s %*s %*s %4095s", place) != 1)
                continue;
            add(&trees, place);
            if (i == 0)
                below += folders_below(place);
            snprintf(path, sizeof path, "%s/%s", place, CGROUP[i]);
            refused = writable(AT_FDCWD, path);
            if (refused == 0)
                add(&open_in, place);
            if (refused == 0 || outcome == ENOENT)
                outcome = outcome == 0 ? 0 : refused;
        }
        snprintf(question, sizeof question, "write to %s of a cgroup", CGROUP[i]);
        can(FILES, question, outcome);
    }
    if (file)
        fclose(file);
    row("count", FILES, "cgroups of others that it sees", "1", "%d", below);
    row("fact", FILES, "trees of cgroups", "", "%s", trees.text);
}

void files(void)
{
    char question[256];

    for (size_t i = 0; i < sizeof READ / sizeof *READ; i++) {
        int outcome = readable(READ[i]);
        snprintf(question, sizeof question, "read %s", READ[i]);
        row("can", FILES, question, "", "%s", outcome == ENODATA ? "empty" : outcome_name(outcome));
    }
    for (size_t i = 0; i < sizeof WRITTEN / sizeof *WRITTEN; i++) {
        int outcome = writable(AT_FDCWD, WRITTEN[i]);
        snprintf(question, sizeof question, "write to %s", WRITTEN[i]);
        row("can", FILES, question, "", "%s", outcome == ENODATA ? "empty" : outcome_name(outcome));
    }
    cgroups();
    walk("/proc", 1, "sys");
    walk("/proc/sys", 1, NULL);
    walk("/sys", 2, NULL);
}
