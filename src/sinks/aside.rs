//! Files put aside: their names, their compression, and when they are deleted.
//!
//! `full.json` is put aside as `full-20260102T030405-678901.json`, by the time (UTC) at which that was done, and compressed as
//! `full-20260102T030405-678901.json.zst`. Nothing else in the directory is ever touched. All is decided by what lies there,
//! so it does not matter when a run was killed.
//!
//! A file is locked from before it is read until what is compressed stands in its place: `patchspan erase` rewrites files in the
//! same directory, and what it took out must not come back.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustix::fs::{FlockOperation, flock};

use crate::types::Timestamp;

/// Mode of every file that holds records.
pub(super) const MODE: u32 = 0o640;
/// The group that reads logs on Debian.
const GROUP: &str = "adm";
const STAMP: &str = "%Y%m%dT%H%M%S";
const COMPRESSED: &str = ".zst";
/// A compressed file that is not finished: a killed run may leave one.
const UNFINISHED: &str = ".zst.part";
/// Level 3 keeps up with any rate at which records are written, and is within a few percent of the slower ones.
const LEVEL: i32 = 3;
/// Between two questions whether to go on.
const CHUNK: usize = 1 << 20;

/// How the files put aside of one output are called, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Aside {
    /// The file that is written.
    pub path: PathBuf,
    /// Whether all but the newest are compressed.
    pub compress: bool,
    /// Older ones are deleted.
    pub keep_for: Duration,
    /// The oldest are deleted where all together have more bytes.
    pub keep_size: u64,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Files compressed.
    pub compressed: u64,
    /// Files deleted because of their age, or because all together were too large.
    pub deleted: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    stamp: Micros,
    form: Form,
    name: String,
}

/// Microseconds since the epoch: as exact as the names.
type Micros = i64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Plain,
    Compressed,
    Unfinished,
}

impl Aside {
    /// A name for a file that is put aside at `now`, later than `last`, that no file has.
    pub(super) fn name(&self, now: Timestamp, last: Timestamp) -> (PathBuf, Timestamp) {
        let mut stamp = now.max(last.plus(Duration::from_micros(1)));
        loop {
            let name = self.name_at(stamp);
            let compressed = format!("{name}{COMPRESSED}");
            let is_taken = |name: &str| fs::symlink_metadata(self.directory().join(name)).is_ok();
            if !is_taken(&name) && !is_taken(&compressed) {
                return (self.directory().join(name), stamp);
            }
            stamp = stamp.plus(Duration::from_micros(1));
        }
    }

    /// Deletes what is too old, compresses what is not compressed, deletes what is too much. `goes_on` is asked now and then.
    pub fn tidy(&self, now: Timestamp, goes_on: &dyn Fn() -> bool) -> io::Result<Tidied> {
        let mut tidied = Tidied::default();
        let oldest = now.minus(self.keep_for).as_nanos() / 1_000;
        for file in self.found()? {
            if file.stamp < oldest {
                self.delete(&file)?;
                tidied.deleted += u64::from(file.form != Form::Unfinished);
            }
        }
        self.limit(&mut tidied)?;
        if self.compress {
            self.compress_all(&mut tidied, goes_on)?;
        }
        Ok(tidied)
    }

    /// Deletes the oldest while all together are too large.
    fn limit(&self, tidied: &mut Tidied) -> io::Result<()> {
        let mut room = self.keep_size;
        for file in self.found()?.iter().rev() {
            let size = fs::metadata(self.directory().join(&file.name)).map_or(0, |data| data.len());
            match room.checked_sub(size) {
                Some(rest) => room = rest,
                None => {
                    // Nothing older fits either, however small: what is kept has no gaps.
                    room = 0;
                    self.delete(file)?;
                    tidied.deleted += 1;
                }
            }
        }
        Ok(())
    }

    fn compress_all(&self, tidied: &mut Tidied, goes_on: &dyn Fn() -> bool) -> io::Result<()> {
        let found = self.found()?;
        let newest = found.iter().map(|file| file.stamp).max();
        for file in &found {
            let twin = found
                .iter()
                .any(|other| other.stamp == file.stamp && other.form == Form::Compressed);
            match file.form {
                Form::Unfinished => self.delete(file)?,
                // Compressed, but killed before the original was deleted.
                Form::Plain if twin => self.delete(file)?,
                Form::Plain if Some(file.stamp) != newest => {
                    if !self.compress(file, goes_on)? {
                        return Ok(());
                    }
                    tidied.compressed += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it was finished.
    fn compress(&self, file: &Found, goes_on: &dyn Fn() -> bool) -> io::Result<bool> {
        let plain = self.directory().join(&file.name);
        let part = self.directory().join(format!("{}{UNFINISHED}", file.name));
        let whole = self.directory().join(format!("{}{COMPRESSED}", file.name));
        let Some(locked) = lock(&plain)? else {
            // It is compressed the next time.
            return Ok(false);
        };
        let finished = compress_into(&locked, &part, goes_on);
        match finished {
            Ok(true) => {
                fs::rename(&part, &whole)?;
                fs::remove_file(&plain)?;
                Ok(true)
            }
            other => {
                fs::remove_file(&part)?;
                other
            }
        }
    }

    fn delete(&self, file: &Found) -> io::Result<()> {
        match fs::remove_file(self.directory().join(&file.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Every regular file that was put aside, the oldest first.
    fn found(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.directory())? {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if let Some((stamp, form)) = self.parse(&name).filter(|_| is_file) {
                found.push(Found { stamp, form, name });
            }
        }
        found.sort();
        Ok(found)
    }

    fn parse(&self, name: &str) -> Option<(Micros, Form)> {
        let (stem, extension) = self.parts();
        let rest = name.strip_prefix(&stem)?.strip_prefix('-')?;
        let (rest, form) = if let Some(rest) = rest.strip_suffix(UNFINISHED) {
            (rest, Form::Unfinished)
        } else if let Some(rest) = rest.strip_suffix(COMPRESSED) {
            (rest, Form::Compressed)
        } else {
            (rest, Form::Plain)
        };
        let rest = rest.strip_suffix(&extension)?;
        let (second, micros) = rest.split_once('-')?;
        let is_plain = second.len() == 15 && micros.len() == 6;
        let micros: u32 = micros.parse().ok().filter(|_| is_plain)?;
        let moment = DateTime::strptime(STAMP, second).ok()?;
        let moment = TimeZone::UTC.to_timestamp(moment).ok()?;
        let stamp = moment.as_second().checked_mul(1_000_000)? + i64::from(micros);
        // What is written differently was not named here.
        let is_own =
            name.starts_with(&self.name_at(Timestamp::from_nanos(stamp.checked_mul(1_000)?)));
        is_own.then_some((stamp, form))
    }

    fn name_at(&self, stamp: Timestamp) -> String {
        let (seconds, nanos) = stamp.seconds_and_nanos();
        let second = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        let (stem, extension) = self.parts();
        format!(
            "{stem}-{}-{:06}{extension}",
            second.strftime(STAMP),
            nanos / 1_000
        )
    }

    /// Name without extension, and the extension with its dot.
    fn parts(&self) -> (String, String) {
        let part =
            |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let stem = part(self.path.file_stem()).unwrap_or_default();
        let extension = part(self.path.extension());
        (
            stem,
            extension.map_or_else(String::new, |extension| format!(".{extension}")),
        )
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }
}

/// The file at `path`, which nobody else changes meanwhile; `None` where somebody does, or has just done so.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    let identity = |data: fs::Metadata| (data.dev(), data.ino());
    let is_there = identity(file.metadata()?) == identity(fs::symlink_metadata(path)?);
    Ok(is_there.then_some(file))
}

/// Whether it was finished.
fn compress_into(mut input: &File, part: &Path, goes_on: &dyn Fn() -> bool) -> io::Result<bool> {
    let output = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(part)?;
    give_to_group(&output);
    let mut encoder = zstd::Encoder::new(output, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        if !goes_on() {
            return Ok(false);
        }
        let count = input.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        encoder.write_all(chunk.get(..count).unwrap_or_default())?;
    }
    // The original is deleted next: what replaces it must be on the disk.
    encoder.finish()?.sync_all()?;
    Ok(true)
}

/// Gives a file to the group that reads logs, where there is one and this user may; the mode whatever the umask.
pub(super) fn give_to_group(file: &File) {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let group = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(GROUP);
        fields.nth(1).filter(|_| is_it)?.parse::<u32>().ok()
    });
    if let Some(group) = group {
        let _ = fchown(file, None, Some(group));
    }
    // A service's umask (0077) took the group's right away when the file was made.
    let _ = file.set_permissions(Permissions::from_mode(MODE));
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const DAY: i64 = 86_400;

    /// A directory of a test's own.
    #[derive(Debug)]
    pub(in crate::sinks) struct Folder(pub(in crate::sinks) PathBuf);

    impl Folder {
        pub(in crate::sinks) fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("patchspan-sinks-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        pub(in crate::sinks) fn path(&self) -> PathBuf {
            self.0.join("all.json")
        }

        pub(in crate::sinks) fn aside(&self) -> Aside {
            Aside {
                path: self.path(),
                compress: true,
                keep_for: Duration::from_secs(30 * DAY as u64),
                keep_size: 1 << 20,
            }
        }

        /// Every file but the one that is written, by name.
        pub(in crate::sinks) fn others(&self) -> Vec<PathBuf> {
            let entries = fs::read_dir(&self.0).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            let mut paths: Vec<PathBuf> = paths.filter(|path| *path != self.path()).collect();
            paths.sort();
            paths
        }

        fn names(&self) -> Vec<String> {
            let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            self.others().into_iter().map(name).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// So many seconds after 2026-01-02T03:04:05 UTC.
    pub(in crate::sinks) fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_767_323_045 + second, 678_901_234)
    }

    fn tidy(aside: &Aside, second: i64) -> Tidied {
        aside.tidy(at(second), &|| true).unwrap()
    }

    #[test]
    fn a_name_says_when_and_is_given_once() {
        let folder = Folder::new();
        let aside = folder.aside();
        let (path, stamp) = aside.name(at(0), Timestamp::EPOCH);
        assert_eq!(path, folder.0.join("all-20260102T030405-678901.json"));
        let (later, _) = aside.name(at(-5), stamp);
        assert_eq!(later, folder.0.join("all-20260102T030405-678902.json"));
        fs::write(folder.0.join("all-20260102T030405-678901.json.zst"), "").unwrap();
        let (other, _) = aside.name(at(0), Timestamp::EPOCH);
        assert_eq!(other, folder.0.join("all-20260102T030405-678902.json"));
    }

    #[test]
    fn all_but_the_newest_are_compressed_and_read_the_same() {
        let folder = Folder::new();
        let mut aside = folder.aside();
        let texts = ["{\"a\":1}\n".repeat(100_000), "{\"b\":1}\n".to_owned()];
        for (second, text) in texts.iter().enumerate() {
            fs::write(aside.name(at(second as i64), Timestamp::EPOCH).0, text).unwrap();
        }
        aside.compress = false;
        assert_eq!(tidy(&aside, 10), Tidied::default());
        aside.compress = true;
        assert_eq!(tidy(&aside, 10).compressed, 1);
        let names = [
            "all-20260102T030405-678901.json.zst",
            "all-20260102T030406-678901.json",
        ];
        assert_eq!(folder.names(), names);
        let packed = fs::read(folder.0.join(names[0])).unwrap();
        assert!(packed.len() < 10_000);
        assert_eq!(
            zstd::decode_all(packed.as_slice()).unwrap(),
            texts[0].as_bytes()
        );
    }

    #[test]
    fn what_a_killed_run_left_half_compressed_is_done_again() {
        let folder = Folder::new();
        for (name, text) in [
            ("all-20260102T030401-000000.json", "one"),
            ("all-20260102T030401-000000.json.zst.part", "half of it"),
            ("all-20260102T030402-000000.json", "two"),
            ("all-20260102T030402-000000.json.zst", "whole"),
            ("all-20260102T030403-000000.json", "three"),
        ] {
            fs::write(folder.0.join(name), text).unwrap();
        }
        tidy(&folder.aside(), 0);
        let left = [
            "all-20260102T030401-000000.json.zst",
            "all-20260102T030402-000000.json.zst",
            "all-20260102T030403-000000.json",
        ];
        assert_eq!(folder.names(), left);
        assert_eq!(fs::read(folder.0.join(left[1])).unwrap(), b"whole");
    }

    #[test]
    fn a_file_that_somebody_rewrites_is_compressed_later_as_it_is_then() {
        let folder = Folder::new();
        let aside = folder.aside();
        for second in [0, 1] {
            fs::write(aside.name(at(second), Timestamp::EPOCH).0, "{}\n").unwrap();
        }
        let before = folder.names();
        let rewritten = folder.0.join(&before[0]);
        let held = lock(&rewritten).unwrap().unwrap();
        assert_eq!(tidy(&aside, 10), Tidied::default());
        assert_eq!(folder.names(), before);
        fs::write(folder.0.join("new"), "").unwrap();
        fs::rename(folder.0.join("new"), &rewritten).unwrap();
        drop(held);
        assert_eq!(tidy(&aside, 10).compressed, 1);
        let packed = fs::read(folder.0.join(format!("{}.zst", before[0]))).unwrap();
        assert_eq!(zstd::decode_all(packed.as_slice()).unwrap(), b"");
    }

    #[test]
    fn what_is_given_up_leaves_the_original_alone() {
        let folder = Folder::new();
        let aside = folder.aside();
        for second in [0, 1] {
            fs::write(aside.name(at(second), Timestamp::EPOCH).0, "{}\n").unwrap();
        }
        let before = folder.names();
        aside.tidy(at(10), &|| false).unwrap();
        assert_eq!(folder.names(), before);
    }

    #[test]
    fn what_is_too_old_or_too_much_is_deleted_and_nothing_else() {
        let folder = Folder::new();
        let mut aside = folder.aside();
        aside.compress = false;
        let foreign = [
            "all-20200102T030405-000000.json.bak",
            "all-20200102T030405-00000.json",
            "all-20200102T030405.json",
            "all-20201302T030405-000000.json",
            "all-20200102T030405-+00001.json",
            "all.json.1",
            "all2-20200102T030405-000000.json",
            "other-20200102T030405-000000.json",
        ];
        for name in foreign {
            fs::write(folder.0.join(name), "{}\n").unwrap();
        }
        fs::create_dir(folder.0.join("all-20200102T030405-000000.json")).unwrap();
        fs::write(folder.path(), "{}\n").unwrap();
        for day in 0..5 {
            let (path, _) = aside.name(at(day * DAY), Timestamp::EPOCH);
            fs::write(path, vec![b'x'; 300 << 10]).unwrap();
        }
        // One is older than 30 days; four of 300 KiB are more than 1 MiB.
        assert_eq!(tidy(&aside, 30 * DAY + DAY / 2).deleted, 1 + 1);
        let own = folder.names();
        let own: Vec<_> = own
            .iter()
            .filter(|name| name.starts_with("all-2026"))
            .collect();
        assert_eq!(own.len(), 3);
        assert_eq!(own[0], "all-20260104T030405-678901.json");
        assert_eq!(folder.others().len(), 3 + foreign.len() + 1);
        assert!(folder.path().exists());
    }
}
