//! A clock of a process that can be set while it runs: a library that is loaded before the C library, and a file with the seconds that are
//! added to the time of day. The steady clock stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *seconds;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("COREC_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    void *map = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) seconds = map;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (!result && seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += *seconds;
    return result;
}

int gettimeofday(struct timeval *time, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *time) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (time) *time = now.tv_sec;
    return now.tv_sec;
}
"#;

/// A clock of one process.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// Two clocks, their files in `folder`; none where there is no C compiler.
    pub fn pair(folder: &Path) -> Option<[Self; 2]> {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, SOURCE).unwrap();
        let cc =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status();
        if !cc.is_ok_and(|status| status.success()) {
            return None;
        }
        Some(["engine", "server"].map(|name| {
            let clock = Self { library: library.clone(), file: folder.join(format!("clock-{name}")) };
            fs::write(&clock.file, 0i64.to_ne_bytes()).unwrap();
            clock
        }))
    }

    /// What a process needs in its environment to go by it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        vec![("LD_PRELOAD".into(), text(&self.library)), ("COREC_TEST_CLOCK".into(), text(&self.file))]
    }

    /// From now on the time of day is so many seconds later than it is.
    pub fn set(&self, seconds: i64) {
        use std::os::unix::fs::FileExt;
        let file = fs::OpenOptions::new().write(true).open(&self.file).unwrap();
        // In place: it is a part of the process' memory.
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
