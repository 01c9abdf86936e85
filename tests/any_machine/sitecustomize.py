"""Makes Python behave to ovr_digits as on Windows; Python imports it where it is on its path.

What only POSIX has is hidden from the modules of the package, and not from what they stand on. As
Windows does, it refuses to everybody to open a folder, and to replace or remove a file that is open
or mapped (seen where there is /proc; on Windows itself there is nothing left to do).
"""

import builtins
import contextlib
import io
import os
import signal
import socket
import sys
import types
from pathlib import Path

#: Modules that there are not, and names that the others do not have.
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
HIDDEN = {
    os: "chown chroot fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid "
    "getpgrp getsid getuid killpg lchown mkfifo mknod nice openpty pathconf pipe2 posix_fadvise "
    "posix_fallocate pread preadv pwrite pwritev register_at_fork sched_getaffinity "
    "sched_setaffinity sched_yield sendfile setsid setuid statvfs sync sysconf tcgetpgrp ttyname "
    "uname wait wait3 wait4 waitid WNOHANG O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW "
    "O_NONBLOCK O_SYNC",
    signal: "SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN "
    "SIGTTOU SIGUSR1 SIGUSR2 SIGWINCH SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm getitimer pause "
    "pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait "
    "sigwaitinfo",
    socket: "AF_UNIX SO_REUSEPORT TCP_CORK TCP_QUICKACK TCP_USER_TIMEOUT",
}


def _narrowed(module: types.ModuleType, hidden: set[str]) -> types.ModuleType:
    copy = types.ModuleType(module.__name__, module.__doc__)
    copy.__dict__.update({k: v for k, v in vars(module).items() if k not in hidden})
    return copy


_SEEN = {module: _narrowed(module, set(hidden.split())) for module, hidden in HIDDEN.items()}
_import = builtins.__import__


def _import_as_there(name, globals=None, locals=None, fromlist=(), level=0):
    importer = str((globals or {}).get("__name__", "")).partition(".")[0]
    if importer != "ovr_digits" or level:
        return _import(name, globals, locals, fromlist, level)
    if name in MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = _import(name, globals, locals, fromlist, level)
    return _SEEN.get(module, module)


def _is_open(path: str) -> bool:
    """Whether this process has a file open, or mapped into its memory."""
    wanted = os.path.realpath(path)
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that looked through the folder
            if str(number.readlink()) == wanted:
                return True
    with _open("/proc/self/maps") as maps:
        return any(line.rstrip("\n").endswith(wanted) for line in maps)


def _check(*paths: object) -> None:
    for path in paths:
        if isinstance(path, int | str | os.PathLike) and _is_open(os.fspath(path)):
            raise PermissionError(13, "it is being used by a process", os.fspath(path))


_open, _replace, _rename, _unlink = io.open, os.replace, os.rename, os.unlink


def _replace_as_there(src, dst, **where):
    _check(src, dst)
    return _replace(src, dst, **where)


def _rename_as_there(src, dst, **where):
    _check(src)
    if os.path.lexists(dst):
        raise FileExistsError(17, "the file is there already", dst)
    return _rename(src, dst, **where)


def _unlink_as_there(path, **where):
    # filelock has another way there, as have other parts of Python than pathlib.
    if sys._getframe(1).f_globals["__name__"].startswith("pathlib") and "lock" not in str(path):
        _check(path)
    return _unlink(path, **where)


def _open_as_there(file, *arguments, **named):
    has_opener = "opener" in named  # how a file without a name is made, in its folder
    if not has_opener and isinstance(file, str | os.PathLike) and Path(file).is_dir():
        raise PermissionError(13, "Permission denied", os.fspath(file))
    return _open(file, *arguments, **named)


builtins.__import__ = _import_as_there
if sys.platform != "win32":
    builtins.open = io.open = _open_as_there
if Path("/proc/self/fd").is_dir():
    os.replace, os.rename = _replace_as_there, _rename_as_there
    os.unlink = os.remove = _unlink_as_there
