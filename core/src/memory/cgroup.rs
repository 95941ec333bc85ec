//! Cgroups: the process's own group, or one above it, limits the memory that it may take.
//!
//! Reads `/proc/self/cgroup` (which group), `/proc/self/mountinfo` (where its hierarchy is to be seen) and the limits in the
//! folders from that group's up to the mount: a group may have no more than any above it. Version 2 has them in `memory.max`
//! (`memory.high` only slows a process down), version 1 in `memory.limit_in_bytes`; both versions may be there, and memory is
//! counted by one of them. Rule: the least counts, what is not there limits nothing.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// A version of cgroups: its folder by convention, and the file with a group's limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    One,
    Two,
}

impl Version {
    fn conventional(self) -> &'static str {
        match self {
            Self::One => "/sys/fs/cgroup/memory",
            Self::Two => "/sys/fs/cgroup",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        }
    }
}

/// The least limit, in bytes, on the way from the process's own group to the top of what can be seen; none where nothing
/// limits it. `root` is `/`, or a folder laid out like it.
///
/// A version 1 group without a limit says nearly 2^63, which is more than any machine has.
pub(super) fn limit(root: &Path) -> Option<u64> {
    let text = |path: &str| fs::read_to_string(below(root, Path::new(path))).unwrap_or_default();
    let (groups, mounts) = (text("/proc/self/cgroup"), text("/proc/self/mountinfo"));
    let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
    let mut least: Option<u64> = None;
    for version in [Version::One, Version::Two] {
        let own = groups.lines().find_map(|line| own_group(line, version));
        let of_mounts = mounts.iter().filter(|mount| mount.version == version);
        let mut ways: Vec<(PathBuf, PathBuf)> =
            of_mounts.filter_map(|mount| Some((mount.at.clone(), mount.way_to(own.as_deref()?)?))).collect();
        // Also where none is listed: something may lie over the mount, or the list be kept from us.
        let own = own.unwrap_or_default();
        ways.push((version.conventional().into(), normal(own.strip_prefix("/").unwrap_or(&own))));
        for (top, way) in ways {
            for group in way.ancestors() {
                let file = below(root, &top).join(group).join(version.file());
                let limit = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok());
                least = least.into_iter().chain(limit).min();
            }
        }
    }
    least
}

/// An absolute path in a tree whose root is `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The process's group in the hierarchy that counts memory, from a line `id:controllers:path`.
fn own_group(line: &str, version: Version) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let is_it = match version {
        Version::One => controllers.split(',').any(|controller| controller == "memory"),
        Version::Two => id == "0" && controllers.is_empty(),
    };
    is_it.then(|| path.into())
}

/// A path without its `..`: a group outside of what the process sees as the top has no way from there, and its folder is not
/// looked for beside it.
fn normal(path: &Path) -> PathBuf {
    let leaves = path.components().any(|component| component == Component::ParentDir);
    if leaves { PathBuf::new() } else { path.into() }
}

/// Where a hierarchy that may count memory is mounted.
#[derive(PartialEq, Debug)]
struct Mount {
    version: Version,
    /// The group at its top, as the process sees it: one above its own top is `/..`.
    group: PathBuf,
    at: PathBuf,
}

impl Mount {
    /// From a line `id parent device root at options tags... - type source options`.
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (group, at) = (unescape(before.next()?), unescape(before.next()?));
        let mut after = after.split(' ');
        let version = match (after.next()?, after.nth(1)?) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", options) if options.split(',').any(|option| option == "memory") => Version::One,
            _ => return None,
        };
        Some(Self { version, group: group.into(), at: at.into() })
    }

    /// The way from its top to the group `own`; none if that is not below it.
    fn way_to(&self, own: &Path) -> Option<PathBuf> {
        if let Ok(way) = own.strip_prefix(&self.group) {
            return Some(normal(way));
        }
        // Its top is above the process's, which has no name from here: only the top itself is known to be on the way.
        let mut above = self.group.components().skip(1);
        above.all(|component| component == Component::ParentDir).then(PathBuf::new)
    }
}

/// A field of mountinfo, in which a space is `\040`.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                out.push(char::from(byte));
                out.push_str(&part[3..]);
            }
            _ => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const ONE: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                       36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n";

    /// The limit in a tree with these groups, mounts and files.
    fn limit_of(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        let of_process = [("/proc/self/cgroup", groups), ("/proc/self/mountinfo", mounts)];
        for (path, text) in files.iter().chain(&of_process) {
            let path = below(root.path(), Path::new(path));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        limit(root.path())
    }

    #[test]
    fn version_2_takes_the_least_from_the_own_group_upwards() {
        let tree = |unit, slice, root| {
            let files = [
                ("/sys/fs/cgroup/system.slice/corec.service/memory.max", unit),
                ("/sys/fs/cgroup/system.slice/corec.service/memory.high", "5\n"),
                ("/sys/fs/cgroup/system.slice/memory.max", slice),
                ("/sys/fs/cgroup/system.slice/other.service/memory.max", "7\n"),
                ("/sys/fs/cgroup/memory.max", root),
            ];
            limit_of("0::/system.slice/corec.service\n", TWO, &files)
        };
        assert_eq!(tree("64\n", "max\n", "max\n"), Some(64));
        assert_eq!(tree("64\n", "32\n", "max\n"), Some(32), "the one above is smaller");
        assert_eq!(tree("max\n", "max\n", "16\n"), Some(16));
        assert_eq!(tree("max\n", "max\n", "max\n"), None);
    }

    #[test]
    fn version_1_takes_the_least_from_the_own_group_upwards() {
        let none = "9223372036854771712\n";
        let tree = |own, above| {
            let files = [
                ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", own),
                ("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", above),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", none),
            ];
            limit_of("5:cpu:/docker/xyz\n4:hugetlb,memory:/docker/abc\n", ONE, &files)
        };
        assert_eq!(tree("64\n", none), Some(64));
        assert_eq!(tree(none, "32\n"), Some(32));
        assert_eq!(tree(none, none), Some(9_223_372_036_854_771_712));
    }

    #[test]
    fn with_both_versions_each_has_its_own_path() {
        let mounts = format!("{ONE}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let files = [
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "64\n"),
            ("/sys/fs/cgroup/unified/b/memory.max", "128\n"),
            ("/sys/fs/cgroup/unified/a/memory.max", "1\n"),
        ];
        assert_eq!(limit_of("4:memory:/a\n0::/b\n", &mounts, &files), Some(64));
        assert_eq!(limit_of("4:memory:/\n0::/b\n", &mounts, &files), Some(128));
    }

    #[test]
    fn a_mount_of_a_part_of_the_tree_begins_at_that_group() {
        // A container without a namespace of its own: its group is what it sees as the top.
        let mounts = "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        let files = [("/sys/fs/cgroup/memory.max", "64\n"), ("/sys/fs/cgroup/in/memory.max", "32\n")];
        assert_eq!(limit_of("0::/docker/abc\n", mounts, &files), Some(64));
        assert_eq!(limit_of("0::/docker/abc/in\n", mounts, &files), Some(32));
        // Another container's, mounted elsewhere, is not on the way.
        let mounts = format!("{TWO}77 23 0:28 /docker/xyz /run/xyz rw - cgroup2 cgroup2 rw\n");
        let files = [("/run/xyz/memory.max", "1\n"), ("/sys/fs/cgroup/docker/abc/memory.max", "64\n")];
        assert_eq!(limit_of("0::/docker/abc\n", &mounts, &files), Some(64));
    }

    #[test]
    fn a_path_that_leaves_the_namespace_leads_nowhere_else() {
        let files = [
            ("/sys/fs/cgroup/memory.max", "64\n"),
            ("/sys/fs/memory.max", "1\n"),
            ("/memory.max", "1\n"),
            ("/sys/fs/cgroup/beside/memory.max", "1\n"),
        ];
        for group in ["0::/../..\n", "0::/../beside\n", "0::/..\n", "0::/beside/../../x\n"] {
            assert_eq!(limit_of(group, TWO, &files), Some(64), "{group}");
        }
        // A mount from outside of the namespace: only its top is known to be above.
        let mounts = "31 23 0:28 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(limit_of("0::/\n", mounts, &files), Some(64));
        assert_eq!(limit_of("0::/../../beside\n", mounts, &files), Some(1), "named from there");
    }

    #[test]
    fn what_is_missing_limits_nothing() {
        assert_eq!(limit_of("", "", &[]), None);
        assert_eq!(limit_of("0::/gone (deleted)\n", TWO, &[("/sys/fs/cgroup/memory.max", "64\n")]), Some(64));
        assert_eq!(
            limit_of("nonsense\n::\n", "1 2\n - \n", &[("/sys/fs/cgroup/memory.max", "much\n")]),
            None
        );
        let root = tempfile::tempdir().unwrap();
        assert_eq!(limit(root.path()), None, "not even /proc");
    }

    #[test]
    fn where_no_mount_is_listed_the_usual_folder_is_walked() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
        let files = [("/sys/fs/cgroup/system.slice/corec.service/memory.max", "64\n")];
        assert_eq!(limit_of("0::/system.slice/corec.service\n", mounts, &files), Some(64));
        assert_eq!(limit_of("0::/\n", mounts, &files), None, "a unit that is not the process's own");
        let files = [("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "32\n")];
        assert_eq!(limit_of("4:memory:/a\n", "", &files), Some(32));
    }

    #[test]
    fn a_mount_point_may_have_spaces() {
        let mounts = "31 23 0:28 / /my\\040groups rw - cgroup2 cgroup2 rw\n";
        assert_eq!(limit_of("0::/a b:c\n", mounts, &[("/my groups/a b:c/memory.max", "64\n")]), Some(64));
        assert_eq!((unescape("a\\134b\\040"), unescape("a\\9\\é")), ("a\\b ".into(), "a\\9\\é".into()));
    }
}
