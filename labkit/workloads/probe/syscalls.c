/* Each system call, one by one: does it reach the kernel?
 *
 * It is called in a child with arguments that no call can use: bad pointers, descriptors and numbers, all -1. What comes
 * back is an error either way. EPERM, EACCES, ENOSYS and SIGSYS are refusals, by a filter or by the kernel itself, which
 * are alike to who is refused; any other error has the call's own code found in the arguments, and so has reached it.
 */

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

#define AREA "system calls"
#define NO_PID 0x7ffffffe /* above the greatest pid_max */

/* Name and number of every call, made from <asm/unistd.h> and from a list of what is newer. */
static const struct {
    const char *name;
    long number;
} CALLS[] = {
#include "syscalls.h"
};

/* Those that act without any argument, or never return. */
static const struct {
    long number;
    const char *reason;
} LEFT_OUT[] = {
    {SYS_exit, "it would end the child"},
    {SYS_exit_group, "it would end the child"},
    {SYS_rt_sigreturn, "it would return to an address from the stack"},
    {SYS_sync, "it would write the caches of all disks"},
    {SYS_vhangup, "it would hang up the terminal"},
#ifdef SYS_pause
    {SYS_pause, "it would wait for ever"},
#endif
#ifdef SYS_fork
    {SYS_fork, "it would make a process; how the probe makes its own says as much"},
    {SYS_vfork, "it would make a process on the same stack"},
#endif
};

/* Those for which -1 is not harmless, or is refused before anything else: by the filter's own look at an argument, or
 * by ENOSYS for an operation that is none. */
static const struct {
    long number;
    long arguments[6];
} ARGUMENTS[] = {
    {SYS_clone, {CLONE_THREAD, -1, -1, -1, -1, -1}}, /* EINVAL: not without CLONE_SIGHAND */
    {SYS_futex, {-1, 1, 0, -1, -1, 0}},              /* FUTEX_WAKE at no aligned address */
    {SYS_init_module, {-1, 0, -1, -1, -1, -1}},      /* no byte of a module */
    {SYS_kill, {NO_PID, 0, -1, -1, -1, -1}},
    {SYS_tkill, {NO_PID, 0, -1, -1, -1, -1}},
    {SYS_tgkill, {NO_PID, NO_PID, 0, -1, -1, -1}},
    {SYS_rt_sigqueueinfo, {NO_PID, 0, -1, -1, -1, -1}},
    {SYS_rt_tgsigqueueinfo, {NO_PID, NO_PID, 0, -1, -1, -1}},
    {SYS_msgget, {NO_PID, 0, -1, -1, -1, -1}}, /* a key that nobody has, and not to be made */
    {SYS_semget, {NO_PID, 0, 0, -1, -1, -1}},
    {SYS_shmget, {NO_PID, 0, 0, -1, -1, -1}},
    {SYS_personality, {0xffffffff, -1, -1, -1, -1, -1}}, /* asks for it */
    {SYS_syslog, {10, 0, 0, -1, -1, -1}},                /* the size of the log */
#ifdef SYS_modify_ldt
    {SYS_modify_ldt, {0, -1, 0, -1, -1, -1}}, /* no byte of the table */
#endif
};

static int refused(int error)
{
    return error == EPERM || error == EACCES || error == ENOSYS;
}

static int call(const void *about)
{
    static const long none[6] = {-1, -1, -1, -1, -1, -1};
    const long *a = none, number = *(const long *)about;
    long result;

    for (size_t i = 0; i < sizeof ARGUMENTS / sizeof *ARGUMENTS; i++)
        if (ARGUMENTS[i].number == number)
            a = ARGUMENTS[i].arguments;
    result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result < 0 && refused(errno) ? errno : 0;
}

static const char *left_out(long number)
{
    for (size_t i = 0; i < sizeof LEFT_OUT / sizeof *LEFT_OUT; i++)
        if (LEFT_OUT[i].number == number)
            return LEFT_OUT[i].reason;
    return NULL;
}

#ifdef __x86_64__
/* A 64-bit kernel also takes the calls of 32-bit programs, which a filter must know by other numbers. */
static int call_32(const void *unused)
{
    int result;

    (void)unused;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20 /* getpid */) : "memory");
    return result < 0 ? -result : 0;
}

static int call_x32(const void *unused)
{
    (void)unused;
    return failure(syscall(0x40000000 | SYS_getpid));
}
#endif

void system_calls(void)
{
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        const char *reason = left_out(CALLS[i].number);
        int outcome;
        if (reason) {
            row("fact", AREA, CALLS[i].name, "", "not tried: %s", reason);
            continue;
        }
        outcome = attempt(call, &CALLS[i].number);
        row("can", AREA, CALLS[i].name, "", "%s", outcome_name(outcome));
    }
#ifdef __x86_64__
    can(AREA, "calls of 32-bit programs (int 0x80)", attempt(call_32, NULL));
    can(AREA, "calls of x32 programs", attempt(call_x32, NULL));
#endif
}
