//! A disk is modelled as a loss of power leaves it.
//!
//! What a file has is safe once the file was synced; what a folder has (names made, moved, removed) once the folder was. What is not
//! safe may be there all the same: a part of it in order, the last write torn, or a file's length without its bytes. Nothing else is
//! promised by POSIX, and every file system that the program may run on keeps at least this.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::draws::Draws;
use crate::trace::Event;

type NodeId = usize;
type FolderEntries = BTreeMap<String, NodeId>;

/// How much of what is not safe is there after all.
#[derive(Clone, Copy, PartialEq)]
pub enum UnsyncedData {
    /// Nothing.
    None,
    /// Of each file and each folder something else.
    Some,
    /// Everything: as after a kill.
    All,
}

/// A change of names, whole or not at all.
type NameChange = Vec<(String, Option<NodeId>)>;

enum Node {
    File { now: Vec<u8>, safe: Vec<u8>, since: Vec<(usize, Change)> },
    Folder { now: FolderEntries, safe: FolderEntries, since: Vec<(usize, NameChange)> },
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// Files and folders, as the process sees them and as they are safe.
pub struct Disk {
    nodes: Vec<Node>,
    /// What is open: the node, where it writes next, whether it appends.
    open: BTreeMap<i32, (NodeId, u64, bool)>,
    /// Events so far.
    at: usize,
}

impl Disk {
    /// A disk that has what is in `folder`, all of it safe.
    pub fn of(folder: &Path) -> Self {
        let mut disk = Self { nodes: Vec::new(), open: BTreeMap::new(), at: 0 };
        disk.take_in(folder);
        disk
    }

    fn take_in(&mut self, folder: &Path) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(new_folder());
        let mut names = FolderEntries::new();
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() {
                names.insert(name, self.take_in(&entry.path()));
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                self.nodes.push(Node::File { now: bytes.clone(), safe: bytes, since: Vec::new() });
                names.insert(name, self.nodes.len() - 1);
            }
        }
        self.nodes[id] = Node::Folder { now: names.clone(), safe: names, since: Vec::new() };
        id
    }

    /// Does what the process did.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Open { fd, path, creates, truncates, appends } => {
                let id = match (self.find(path), creates) {
                    (Some(id), _) => id,
                    (None, true) => self.make(path, Node::File { now: vec![], safe: vec![], since: vec![] }),
                    (None, false) => return,
                };
                if *truncates {
                    self.change(id, Change::Length(0));
                }
                self.open.insert(*fd, (id, 0, *appends));
            }
            Event::Write { fd, offset, bytes } => {
                let Some(&(id, position, appends)) = self.open.get(fd) else { return };
                let at = if appends { self.length(id) } else { offset.unwrap_or(position) };
                self.change(id, Change::Write(at, bytes.clone()));
                if offset.is_none() {
                    self.open.insert(*fd, (id, at + bytes.len() as u64, appends));
                }
            }
            Event::Length { fd, length } => {
                if let Some(&(id, ..)) = self.open.get(fd) {
                    self.change(id, Change::Length(*length));
                }
            }
            Event::Seek { fd, position } => _ = self.open.get_mut(fd).map(|open| open.1 = *position),
            Event::Sync { fd, begun } => {
                if let Some(&(id, ..)) = self.open.get(fd) {
                    self.sync(id, *begun);
                }
            }
            Event::Close { fd } => _ = self.open.remove(fd),
            Event::Rename { from, to } => self.rename(from, to),
            Event::Remove { path } => self.name(path, None),
            Event::Folder { path } => _ = self.make(path, new_folder()),
        }
        self.at += 1;
    }

    fn find(&self, path: &Path) -> Option<NodeId> {
        path.iter().try_fold(0, |id, name| match &self.nodes[id] {
            Node::Folder { now, .. } => now.get(&*name.to_string_lossy()).copied(),
            Node::File { .. } => None,
        })
    }

    /// The bytes of a file as the process sees them.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        match &self.nodes[self.find(Path::new(path))?] {
            Node::File { now, .. } => Some(now),
            Node::Folder { .. } => None,
        }
    }

    /// Whether a file is safe below `folder`: every name on the way to it, and bytes in it. Of `folder` itself it is not asked.
    pub fn is_safe(&self, folder: &str, path: &str) -> bool {
        let Some(folder) = self.find(Path::new(folder)) else { return false };
        let found = Path::new(path).iter().try_fold(folder, |id, name| match &self.nodes[id] {
            Node::Folder { safe, .. } => safe.get(&*name.to_string_lossy()).copied(),
            Node::File { .. } => None,
        });
        found.is_some_and(|id| matches!(&self.nodes[id], Node::File { safe, .. } if !safe.is_empty()))
    }

    fn make(&mut self, path: &Path, node: Node) -> NodeId {
        self.nodes.push(node);
        self.name(path, Some(self.nodes.len() - 1));
        self.nodes.len() - 1
    }

    /// Gives a name to a node, or takes it away.
    fn name(&mut self, path: &Path, id: Option<NodeId>) {
        let Some((folder, name)) = self.place(path) else { return };
        self.rename_in(folder, vec![(name, id)]);
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let (Some(id), Some((old, old_name)), Some((new, new_name))) =
            (self.find(from), self.place(from), self.place(to))
        else {
            return;
        };
        if old == new {
            return self.rename_in(old, vec![(old_name, None), (new_name, Some(id))]);
        }
        self.rename_in(new, vec![(new_name, Some(id))]);
        self.rename_in(old, vec![(old_name, None)]);
    }

    fn place(&self, path: &Path) -> Option<(NodeId, String)> {
        Some((self.find(path.parent()?)?, path.file_name()?.to_string_lossy().into_owned()))
    }

    fn rename_in(&mut self, folder: NodeId, names: NameChange) {
        let at = self.at;
        if let Node::Folder { now, since, .. } = &mut self.nodes[folder] {
            apply_names(now, &names);
            since.push((at, names));
        }
    }

    fn length(&self, id: NodeId) -> u64 {
        match &self.nodes[id] {
            Node::File { now, .. } => now.len() as u64,
            Node::Folder { .. } => 0,
        }
    }

    fn change(&mut self, id: NodeId, change: Change) {
        let at = self.at;
        if let Node::File { now, since, .. } = &mut self.nodes[id] {
            apply_change(now, &change);
            since.push((at, change));
        }
    }

    fn sync(&mut self, id: NodeId, begun: usize) {
        match &mut self.nodes[id] {
            Node::File { safe, since, .. } => {
                let count = since.partition_point(|(at, _)| *at < begun);
                since.drain(..count).for_each(|(_, change)| apply_change(safe, &change));
            }
            Node::Folder { safe, since, .. } => {
                let count = since.partition_point(|(at, _)| *at < begun);
                since.drain(..count).for_each(|(_, names)| apply_names(safe, &names));
            }
        }
    }

    /// Writes into `folder` what is there when the power comes back.
    pub fn survive(&self, folder: &Path, unsynced: UnsyncedData, draws: &mut Draws) {
        self.survive_in(0, folder, unsynced, draws);
    }

    fn survive_in(&self, id: NodeId, path: &Path, unsynced: UnsyncedData, draws: &mut Draws) {
        match &self.nodes[id] {
            Node::File { now, safe, since } => {
                fs::write(path, file_after(now, safe, since, unsynced, draws)).unwrap()
            }
            Node::Folder { now, safe, since } => {
                fs::create_dir_all(path).unwrap();
                let names = match unsynced {
                    UnsyncedData::None => safe.clone(),
                    UnsyncedData::All => now.clone(),
                    UnsyncedData::Some => {
                        let mut names = safe.clone();
                        let count = draws.below(since.len() as u64 + 1) as usize;
                        since[..count].iter().for_each(|(_, change)| apply_names(&mut names, change));
                        names
                    }
                };
                // SQLite makes its index of the log anew.
                for (name, id) in names.iter().filter(|(name, _)| !name.ends_with("-shm")) {
                    self.survive_in(*id, &path.join(name), unsynced, draws);
                }
            }
        }
    }
}

fn file_after(
    now: &[u8],
    safe: &[u8],
    since: &[(usize, Change)],
    unsynced: UnsyncedData,
    draws: &mut Draws,
) -> Vec<u8> {
    let mut bytes = safe.to_vec();
    match unsynced {
        UnsyncedData::None => return bytes,
        UnsyncedData::All => return now.to_vec(),
        UnsyncedData::Some => {}
    }
    match draws.below(4) {
        0 => {}
        1 => return now.to_vec(),
        // Some of the changes, in order, the last of them torn.
        2 => {
            let count = draws.below(since.len() as u64 + 1) as usize;
            since[..count].iter().for_each(|(_, change)| apply_change(&mut bytes, change));
            if let Some((_, Change::Write(at, written))) = since.get(count) {
                let torn = written[..draws.below(written.len() as u64 + 1) as usize].to_vec();
                apply_change(&mut bytes, &Change::Write(*at, torn));
            }
        }
        // The length, and zeros.
        _ => bytes.resize(now.len(), 0),
    }
    bytes
}

fn new_folder() -> Node {
    Node::Folder { now: FolderEntries::new(), safe: FolderEntries::new(), since: Vec::new() }
}

fn apply_names(names: &mut FolderEntries, change: &NameChange) {
    for (name, id) in change {
        match id {
            Some(id) => _ = names.insert(name.clone(), *id),
            None => _ = names.remove(name),
        }
    }
}

fn apply_change(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length as usize, 0),
        Change::Write(at, written) => {
            let (at, end) = (*at as usize, *at as usize + written.len());
            if !written.is_empty() {
                bytes.resize(bytes.len().max(end), 0);
                bytes[at..end].copy_from_slice(written);
            }
        }
    }
}
