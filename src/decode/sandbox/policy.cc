// SPDX-License-Identifier: MIT
#include "decode/sandbox/policy.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "decode/sandbox/protocol.h"

namespace photovec::decode {
namespace {

void Missing(PolicyResult* result, Layer layer, const std::string& why) {
  result->why.append(result->why.empty() ? "" : "; ").append(LayerName(layer)).append(": ").append(why);
}

void Standing(PolicyResult* result, Layer layer) { result->layers |= LayerBit(layer); }

std::string Errno(const char* call) { return std::string(call) + ": " + std::strerror(errno); }

/// An empty network, no other process's IPC, and no rights in any of them. Containers often forbid it.
void EnterNamespaces(PolicyResult* result) {
  constexpr int kKinds = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
  if (unshare(kKinds) != 0) return Missing(result, Layer::kNamespaces, Errno("unshare"));
  // The creator of a user namespace has every capability inside it.
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  if (syscall(SYS_capset, &header, none) != 0) {
    return Missing(result, Layer::kNamespaces, Errno("capset"));
  }
  Standing(result, Layer::kNamespaces);
}

// After the namespaces: a change of rights clears it (prctl(2)).
Status FollowParent(int parent_pid, PolicyResult* result) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    Missing(result, Layer::kParentDeath, Errno("prctl"));
  } else {
    Standing(result, Layer::kParentDeath);
  }
  // The server may have died before the line above.
  if (parent_pid != 0 && getppid() != parent_pid) {
    return {Code::kUnavailable, "the server that started this decoder is gone"};
  }
  return Status::Ok();
}

bool Limit(int resource, rlim_t value) {
  const rlimit limit{value, value};
  return setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0;
}

void SetLimits(const PolicyOptions& options, PolicyResult* result) {
  bool ok = Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_FSIZE, 0) && Limit(RLIMIT_NPROC, 0) &&
            Limit(RLIMIT_MEMLOCK, 0) && Limit(RLIMIT_CPU, options.cpu_seconds);
#ifndef PHOTOVEC_SANITIZED
  ok = ok && Limit(RLIMIT_AS, options.address_space_bytes);
  // Descriptors that are open stay usable; there will be no more.
  ok = ok && Limit(RLIMIT_NOFILE, 0);
#else
  ok = ok && Limit(RLIMIT_NOFILE, 64);
#endif
  if (ok) {
    Standing(result, Layer::kLimits);
  } else {
    Missing(result, Layer::kLimits, Errno("setrlimit"));
  }
}

/// As in <linux/landlock.h> of ABI 6; older kernels take the longer structure while the rest is zero.
struct LandlockRules {
  uint64_t files = 0;
  uint64_t network = 0;
  uint64_t scopes = 0;
};

LandlockRules LandlockRulesOf(long abi) {
  LandlockRules rules;
  const int file_bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  rules.files = (uint64_t{1} << file_bits) - 1;
  if (abi >= 4) rules.network = 3;  // bind and connect of TCP
  if (abi >= 6) rules.scopes = 3;   // abstract sockets and signals outside
  return rules;
}

void EnterLandlock(PolicyResult* result) {
  constexpr long kCreate = 444;
  constexpr long kRestrict = 446;
  constexpr unsigned kAskVersion = 1;
  const long abi = syscall(kCreate, nullptr, 0, kAskVersion);
  if (abi < 1) return Missing(result, Layer::kLandlock, "this kernel does not have it");
  // Every right is handled and none is granted.
  const LandlockRules rules = LandlockRulesOf(abi);
  const long ruleset = syscall(kCreate, &rules, sizeof(rules), 0);
  if (ruleset < 0) return Missing(result, Layer::kLandlock, Errno("landlock_create_ruleset"));
  const long restricted = syscall(kRestrict, ruleset, 0);
  const std::string why = Errno("landlock_restrict_self");
  close(static_cast<int>(ruleset));
  restricted == 0 ? Standing(result, Layer::kLandlock) : Missing(result, Layer::kLandlock, why);
}

/// Prints the name of the system call that was refused. Not async-signal-safe, which is why only tests use
/// it.
void NameViolation(int /*signal*/, siginfo_t* info, void* /*context*/) {
  char* name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), info->si_syscall);
  std::fprintf(stderr, "photovec-decoder: forbidden system call %s\n", name == nullptr ? "?" : name);
  std::fflush(stderr);
  _exit(kExitViolation);
}

#ifndef PHOTOVEC_SANITIZED

/// What malloc, the codecs and exceptions need; found with the trap mode over generated files.
constexpr int kAllowed[] = {
    SCMP_SYS(futex),      SCMP_SYS(munmap),       SCMP_SYS(mremap),         SCMP_SYS(brk),
    SCMP_SYS(madvise),    SCMP_SYS(close),        SCMP_SYS(fstat),          SCMP_SYS(lseek),
    SCMP_SYS(getpid),     SCMP_SYS(gettid),       SCMP_SYS(clock_gettime),  SCMP_SYS(getrandom),
    SCMP_SYS(rseq),       SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(sched_yield),
    SCMP_SYS(exit_group), SCMP_SYS(exit),         SCMP_SYS(restart_syscall)};

/// \return whether every rule was accepted.
bool AddRules(scmp_filter_ctx filter) {
  bool ok = true;
  for (const int call : kAllowed) ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0 && ok;
  const auto allow_if = [&](int call, scmp_arg_cmp condition) {
    ok = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition) == 0 && ok;
  };
  allow_if(SCMP_SYS(recvfrom), SCMP_A0(SCMP_CMP_EQ, kWorkerSocketFd, 0));
  allow_if(SCMP_SYS(sendto), SCMP_A0(SCMP_CMP_EQ, kWorkerSocketFd, 0));
  // Memory may be written or run, never made runnable.
  allow_if(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  allow_if(SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  // dav1d counts the CPUs to choose its number of threads. Without an answer it takes one.
  ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sched_getaffinity), 0) == 0 && ok;
  // abort() and glibc's complaint before it, which goes to /dev/null: a crash must look like one. No other
  // signal: a worker that stopped or killed itself would look like somebody else's victim.
  const std::array<scmp_arg_cmp, 2> abort_self = {
      SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid()), 0), SCMP_A2(SCMP_CMP_EQ, SIGABRT, 0)};
  ok = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), abort_self.size(),
                              abort_self.data()) == 0 &&
       ok;
  allow_if(SCMP_SYS(write), SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO, 0));
  allow_if(SCMP_SYS(writev), SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO, 0));
  return ok;
}
constexpr uint32_t kDefaultAction = SCMP_ACT_KILL_PROCESS;

#else

bool AddRules(scmp_filter_ctx filter) {
  bool ok = true;
  for (const int call : {SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(execve),
                         SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev)}) {
    ok = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0) == 0 && ok;
  }
  const scmp_arg_cmp writing = SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR);
  return seccomp_rule_add_array(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(openat), 1, &writing) == 0 && ok;
}
constexpr uint32_t kDefaultAction = SCMP_ACT_ALLOW;

#endif

void EnterSeccomp(bool name_violations, PolicyResult* result) {
  uint32_t action = kDefaultAction;
  if (name_violations && action == SCMP_ACT_KILL_PROCESS) {
    struct sigaction trap {};
    trap.sa_sigaction = NameViolation;
    trap.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &trap, nullptr);
    // In this mode the standard error is the test's. dav1d writes to it; where it is a file, that must not
    // end the worker because of RLIMIT_FSIZE.
    signal(SIGXFSZ, SIG_IGN);
    action = SCMP_ACT_TRAP;
  }
  const scmp_filter_ctx filter = seccomp_init(action);
  if (filter == nullptr) return Missing(result, Layer::kSeccomp, "seccomp_init failed");
  const bool rules = AddRules(filter);
  const int loaded = rules ? seccomp_load(filter) : -EINVAL;
  seccomp_release(filter);
  if (loaded != 0) return Missing(result, Layer::kSeccomp, std::strerror(-loaded));
#ifdef PHOTOVEC_SANITIZED
  Missing(result, Layer::kSeccomp, "a build with sanitizers forbids only a few system calls");
#else
  Standing(result, Layer::kSeccomp);
#endif
}

}  // namespace

Result<PolicyResult> EnterSandbox(const PolicyOptions& options) {
  PolicyResult result;
  EnterNamespaces(&result);
  RETURN_IF_ERROR(FollowParent(options.parent_pid, &result));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
    Standing(&result, Layer::kNoNewPrivs);
  } else {
    Missing(&result, Layer::kNoNewPrivs, Errno("prctl"));
  }
  EnterLandlock(&result);
  SetLimits(options, &result);
  EnterSeccomp(options.name_violations, &result);
  return result;
}

}  // namespace photovec::decode
