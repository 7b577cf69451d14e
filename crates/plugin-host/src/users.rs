//! Users of their own for plugins: who they are, what is theirs, and whether they may go where they must.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;

/// Where the system's users are.
const USERS: &str = "/etc/passwd";
/// Bytes of that file that are read.
const MAX_USERS_BYTES: u64 = 4 * 1024 * 1024;
/// Files of a state folder that are handed to its new owner.
const MAX_FILES: usize = 100_000;

/// A user of the system that a plugin runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As it was written.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// That of its group; it has no others.
    pub gid: u32,
}

impl User {
    /// The user of this name, or of these numbers: `1001:1001`.
    ///
    /// # Errors
    /// When there is none, or when this process may not start programs for others, in words.
    pub fn named(name: &str) -> Result<Self, String> {
        let numbers =
            name.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
        let (uid, gid) = match numbers {
            Some(numbers) => numbers,
            None => of_the_system(name)?,
        };
        let own = rustix::process::geteuid();
        if own.is_root() || own.as_raw() == uid {
            return Ok(User { name: name.to_owned(), uid, gid });
        }
        Err(format!("only a hub that runs as root can start a plugin as {name}"))
    }

    /// Whether it may go where this is, in words if not.
    ///
    /// # Errors
    /// The first folder on the way that it may not enter.
    pub fn may_reach(&self, path: &Path) -> Result<(), String> {
        let mut folders: Vec<&Path> = path.ancestors().collect();
        folders.reverse();
        for folder in folders {
            // what is not there is told by whoever needs it
            let Ok(facts) = fs::metadata(folder) else { return Ok(()) };
            if facts.is_dir() && !self.may_enter(&facts) {
                let (mode, name, place) = (facts.mode() & 0o7777, &self.name, folder.display());
                return Err(format!(
                    "{name} may not enter {place} (mode {mode:04o}): set plugins.home and plugins.folder to \
                     folders that {name} can reach"
                ));
            }
        }
        Ok(())
    }

    fn may_enter(&self, facts: &fs::Metadata) -> bool {
        const ENTER: u32 = 0o1;
        let mode = facts.mode();
        let class = if self.uid == 0 {
            return true;
        } else if facts.uid() == self.uid {
            mode >> 6
        } else if facts.gid() == self.gid {
            mode >> 3
        } else {
            mode
        };
        class & ENTER != 0
    }

    /// Makes a folder its own, with what the hub's own user left in it.
    ///
    /// # Errors
    /// When that is refused.
    pub fn own(&self, folder: &Path) -> io::Result<()> {
        let before = fs::symlink_metadata(folder)?;
        if before.uid() == self.uid && before.gid() == self.gid {
            return Ok(());
        }
        let (mut open, mut files) = (vec![folder.to_owned()], 0);
        while let Some(path) = open.pop() {
            let facts = fs::symlink_metadata(&path)?;
            if facts.is_dir() {
                open.extend(fs::read_dir(&path)?.filter_map(|it| Some(it.ok()?.path())));
            }
            // a file with another name elsewhere may be somebody else's
            let is_shared = !facts.is_dir() && facts.nlink() > 1;
            if !is_shared && facts.uid() == before.uid() {
                lchown(&path, Some(self.uid), Some(self.gid))?;
            }
            files += 1;
            if files > MAX_FILES {
                return Err(io::Error::other(format!("it has more than {MAX_FILES} files")));
            }
        }
        Ok(())
    }
}

/// Lets users of their own through a folder, though not look around in it.
///
/// # Errors
/// When that is refused.
pub fn let_through(folder: &Path) -> io::Result<()> {
    const THROUGH: u32 = 0o711;
    let mode = fs::metadata(folder)?.mode() & 0o7777;
    if mode & 0o011 == 0o011 {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(mode | THROUGH))
}

fn of_the_system(name: &str) -> Result<(u32, u32), String> {
    let file = fs::File::open(USERS).map_err(|error| format!("{USERS}: {error}"))?;
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, MAX_USERS_BYTES), &mut text)
        .map_err(|error| format!("{USERS}: {error}"))?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let known = fields.next().filter(|known| *known == name)?;
        let (_, uid, gid) = (fields.next()?, fields.next()?, fields.next()?);
        Some((known, uid.parse().ok()?, gid.parse().ok()?))
    });
    let none = || format!("there is no user {name:?} in {USERS}; numbers are written as UID:GID");
    found.map(|(_, uid, gid)| (uid, gid)).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_name_or_by_number_and_others_are_not() {
        let stranger = User::named("no-such-user").unwrap_err();
        assert!(stranger.contains("no-such-user") && stranger.contains("UID:GID"), "{stranger}");
        assert!(User::named("12:").is_err() && User::named(":12").is_err());
        let own = rustix::process::geteuid().as_raw();
        let myself = User::named(&format!("{own}:7")).unwrap();
        assert_eq!((myself.uid, myself.gid), (own, 7));
        let other = User::named(&format!("{}:7", own + 1));
        assert_eq!(other.is_ok(), own == 0, "{other:?}");
        let (uid, _) = of_the_system("root").unwrap();
        assert_eq!(uid, 0);
    }

    #[test]
    fn a_folder_that_it_may_not_enter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("open/state");
        fs::create_dir_all(&inner).unwrap();
        let stranger = User { name: "stranger".to_owned(), uid: 54_321, gid: 54_321 };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let why = stranger.may_reach(&inner).unwrap_err();
        assert!(why.contains(&folder.path().display().to_string()) && why.contains("0700"), "{why}");
        let_through(folder.path()).unwrap();
        assert_eq!(stranger.may_reach(&inner), Ok(()));
    }
}
