//! A file that is rotated. Whatever happens, it holds whole lines.
//!
//! * What a killed run left unfinished at its end is cut off when it is opened, and that file put aside.
//! * What a full disk left unfinished is cut off at once.
//! * A file that was deleted or moved away is opened anew at the next look, or when asked to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::aside::{Aside, MODE, give_to_group};
use super::outlet::{Outlet, Taken, whole_lines};
use crate::types::Timestamp;

/// A rotation that fails is tried again so much later; until then lines go into the old file.
const ROTATION_PAUSE: Duration = Duration::from_secs(10);
/// Bytes that are read at once when the end of the last line is looked for.
const STEP: u64 = 64 << 10;

/// A file that is put aside at a size or an age.
#[derive(Debug)]
pub struct RotatingFile {
    aside: Aside,
    rotate_size: u64,
    rotate_every: Duration,
    open: Option<Open>,
    is_rotated: bool,
    /// Time in the newest name of a file put aside.
    last_stamp: Timestamp,
    not_before: Timestamp,
}

/// The file that is written now.
#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    begun: Timestamp,
    /// Bytes of an unfinished line at its end that could not be cut off yet.
    ragged: u64,
}

impl RotatingFile {
    /// Opens the file at the wall-clock time `now`; with the bytes of an unfinished line that were cut off its end.
    pub fn open(
        aside: Aside,
        rotate_size: u64,
        rotate_every: Duration,
        now: Timestamp,
    ) -> io::Result<(Self, u64)> {
        let mut this = Self {
            aside,
            rotate_size,
            rotate_every,
            open: None,
            is_rotated: false,
            last_stamp: Timestamp::EPOCH,
            not_before: Timestamp::EPOCH,
        };
        let mut open = Open::at(&this.aside.path, now)?;
        let cut = open.cut_tail()?;
        let is_empty = open.bytes == 0;
        this.open = Some(open);
        if cut > 0 && !is_empty {
            this.rotate(now)?;
        }
        Ok((this, cut))
    }

    /// Puts the file aside and begins a new one.
    fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.is_at(&self.aside.path))
        {
            let (name, stamp) = self.aside.name(now, self.last_stamp);
            fs::rename(&self.aside.path, name)?;
            self.last_stamp = stamp;
            self.is_rotated = true;
        }
        self.open = None;
        self.open = Some(Open::at(&self.aside.path, now)?);
        Ok(())
    }

    /// Puts the file aside where it is time. Where that fails, lines go into the old one for a while.
    fn rotate_where_due(&mut self, now: Timestamp, next: usize) -> io::Result<()> {
        let Some(open) = self.open.as_ref().filter(|open| open.bytes > 0) else {
            return Ok(());
        };
        let is_full = open.bytes.saturating_add(next as u64) > self.rotate_size;
        let is_old = now >= open.begun.plus(self.rotate_every);
        if !(is_full || is_old) || now < self.not_before {
            return Ok(());
        }
        let outcome = self.rotate(now);
        if outcome.is_err() {
            self.not_before = now.plus(ROTATION_PAUSE);
        }
        outcome
    }

    /// The start of `lines` that still belongs into this file: whole lines, at least one.
    fn fitting<'l>(&self, lines: &'l [u8]) -> &'l [u8] {
        let held = self.open.as_ref().map_or(0, |open| open.bytes);
        let room = usize::try_from(self.rotate_size.saturating_sub(held)).unwrap_or(usize::MAX);
        let fits = lines.get(..room).map_or(lines.len(), whole_lines);
        let first = lines.iter().position(|byte| *byte == b'\n');
        let first = first.map_or(lines.len(), |end| end + 1);
        lines.get(..fits.max(first)).unwrap_or(lines)
    }

    fn ready(&mut self, now: Timestamp) -> io::Result<&mut Open> {
        if self.open.is_none() {
            let mut open = Open::at(&self.aside.path, now)?;
            open.cut_tail()?;
            self.open = Some(open);
        }
        let open = self.open.as_mut();
        open.ok_or_else(|| io::Error::other("is not open"))
    }
}

impl Outlet for RotatingFile {
    fn write(&mut self, lines: &[u8], now: Timestamp) -> Taken {
        let mut done = 0;
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            let first = rest.iter().position(|byte| *byte == b'\n');
            // A file that cannot be put aside grows on.
            let rotated = self.rotate_where_due(now, first.map_or(rest.len(), |end| end + 1));
            if let (Err(error), None) = (rotated, &self.open) {
                return Taken::failed(done, error);
            }
            let chunk = self.fitting(rest);
            let outcome = self.ready(now).map(|open| open.append(chunk));
            match outcome {
                Ok((written, None)) => done += written,
                Ok((written, Some(error))) => return Taken::failed(done + written, error),
                Err(error) => return Taken::failed(done, error),
            }
        }
        Taken::all(done)
    }

    fn attend(&mut self, now: Timestamp) -> io::Result<()> {
        let is_deleted = |open: &Open| open.file.metadata().is_ok_and(|data| data.nlink() == 0);
        if self.open.as_ref().is_some_and(is_deleted) {
            self.open = None;
        }
        self.ready(now)?;
        self.rotate_where_due(now, 0)
    }

    fn reopen(&mut self) {
        self.open = None;
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn take_rotated(&mut self) -> bool {
        std::mem::take(&mut self.is_rotated)
    }
}

impl Open {
    fn at(path: &Path, now: Timestamp) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|data| !data.is_file()) {
            return Err(io::Error::other("is no regular file"));
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).mode(MODE);
        let file = match options.clone().create_new(true).open(path) {
            Ok(file) => {
                give_to_group(&file);
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path)?,
            Err(error) => return Err(error),
        };
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("is written by another process"))?;
        let data = file.metadata()?;
        // Where the file system knows no time of birth, the age counts from now.
        let born = data.created().ok().and_then(|born| {
            let since = born.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(Timestamp::EPOCH.plus(since))
        });
        let begun = born
            .filter(|born| *born < now && data.len() > 0)
            .unwrap_or(now);
        Ok(Self {
            bytes: data.len(),
            file,
            begun,
            ragged: 0,
        })
    }

    /// Whether it still has this path: others may have moved it away.
    fn is_at(&self, path: &Path) -> bool {
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let own = self.file.metadata().map(identity);
        let there = fs::symlink_metadata(path).map(identity);
        matches!((own, there), (Ok(own), Ok(there)) if own == there)
    }

    /// Writes whole lines; how many bytes of whole lines are in the file, and what failed.
    fn append(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
        if let Err(error) = self.smooth() {
            return (0, Some(error));
        }
        let mut done = 0;
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            let error = match self.file.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    done += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let whole = whole_lines(lines.get(..done).unwrap_or_default());
            self.ragged = (done - whole) as u64;
            self.bytes += whole as u64;
            // Where it cannot be cut off now, it is before the next write.
            let _ = self.smooth();
            return (whole, Some(error));
        }
        self.bytes += done as u64;
        (done, None)
    }

    /// Cuts off what a failed write left of a line.
    fn smooth(&mut self) -> io::Result<()> {
        if self.ragged > 0 {
            // Not by our own count: others may have emptied the file.
            let length = self.file.metadata()?.len();
            self.file.set_len(length.saturating_sub(self.ragged))?;
            self.ragged = 0;
        }
        Ok(())
    }

    /// Cuts off what follows the last whole line; how many bytes. A file that holds something else is refused.
    fn cut_tail(&mut self) -> io::Result<u64> {
        let length = self.bytes;
        let (end, first) = self.last_line_end()?;
        // Lines begin with a brace; a machine that lost power may leave zeros.
        if end < length && !matches!(first, Some(b'{' | 0)) {
            return Err(io::Error::other(
                "holds something else than records: move it away",
            ));
        }
        if end < length {
            self.file.set_len(end)?;
            self.bytes = end;
        }
        Ok(length - end)
    }

    /// Where the last whole line ends, and the byte that follows.
    fn last_line_end(&mut self) -> io::Result<(u64, Option<u8>)> {
        let mut end = self.bytes;
        let mut first = None;
        let mut bytes = Vec::new();
        while end > 0 {
            let start = end.saturating_sub(STEP);
            bytes.clear();
            self.file.seek(SeekFrom::Start(start))?;
            (&self.file).take(end - start).read_to_end(&mut bytes)?;
            let whole = whole_lines(&bytes);
            first = bytes.get(whole).copied().or(first);
            if whole > 0 {
                return Ok((start + whole as u64, first));
            }
            end = start;
        }
        Ok((0, first))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::sinks::aside::tests::{Folder, at};
    use crate::sinks::outlet::Fault;

    fn open(folder: &Folder, size: u64) -> io::Result<(RotatingFile, u64)> {
        let every = Duration::from_secs(3_600);
        RotatingFile::open(folder.aside(), size, every, at(0))
    }

    fn write(file: &mut RotatingFile, lines: &str, second: i64) {
        let taken = file.write(lines.as_bytes(), at(second));
        assert!(
            taken.fault.is_none() && taken.bytes == lines.len(),
            "{taken:?}"
        );
    }

    #[test]
    fn what_a_killed_run_left_is_cut_off_and_put_aside() {
        let folder = Folder::new();
        fs::write(folder.path(), "{\"a\":1}\n{\"a\":2").unwrap();
        let (mut file, cut) = open(&folder, 1_000).unwrap();
        assert_eq!(cut, 6);
        write(&mut file, "{\"b\":1}\n", 1);
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), "{\"b\":1}\n");
        let aside: Vec<PathBuf> = folder.others();
        assert_eq!(aside.len(), 1);
        assert_eq!(fs::read_to_string(&aside[0]).unwrap(), "{\"a\":1}\n");
    }

    #[test]
    fn a_file_that_ends_well_goes_on() {
        let folder = Folder::new();
        fs::write(folder.path(), "{\"a\":1}\n").unwrap();
        let (mut file, cut) = open(&folder, 1_000).unwrap();
        assert_eq!(cut, 0);
        write(&mut file, "{\"b\":1}\n", 1);
        assert_eq!(
            fs::read_to_string(folder.path()).unwrap(),
            "{\"a\":1}\n{\"b\":1}\n"
        );
        assert!(folder.others().is_empty());
    }

    #[test]
    fn a_line_that_is_all_the_file_holds_is_cut_off_and_so_are_zeros() {
        for (left, cut) in [
            ("{\"a\":".to_owned(), 5),
            ("{}\n".to_owned() + &"\0".repeat(200_000), 200_000),
        ] {
            let folder = Folder::new();
            fs::write(folder.path(), left).unwrap();
            assert_eq!(open(&folder, 1_000).unwrap().1, cut);
        }
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        for text in ["no record", "{}\n#!/bin/sh", &"x".repeat(300_000)] {
            let folder = Folder::new();
            fs::write(folder.path(), text).unwrap();
            let error = open(&folder, 1_000).unwrap_err().to_string();
            assert!(error.contains("move it away"), "{error}");
            assert_eq!(fs::read_to_string(folder.path()).unwrap(), text);
        }
        let folder = Folder::new();
        std::os::unix::fs::symlink("/etc/hostname", folder.path()).unwrap();
        assert!(
            open(&folder, 1_000)
                .unwrap_err()
                .to_string()
                .contains("no regular file")
        );
    }

    #[test]
    fn two_never_write_one_file() {
        let folder = Folder::new();
        let (_first, _) = open(&folder, 1_000).unwrap();
        let error = open(&folder, 1_000).unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
    }

    #[test]
    fn a_file_is_put_aside_at_its_size_and_every_line_is_somewhere_once() {
        let folder = Folder::new();
        let (mut file, _) = open(&folder, 100).unwrap();
        let lines: Vec<String> = (0..50)
            .map(|number| format!("{{\"n\":{number:04}}}\n"))
            .collect();
        for chunk in lines.chunks(17) {
            write(&mut file, &chunk.concat(), 1);
        }
        assert!(file.take_rotated() && !file.take_rotated());
        let mut files = folder.others();
        files.push(folder.path());
        let texts: Vec<String> = files
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        assert!(texts.iter().all(|text| text.len() <= 100), "{texts:?}");
        assert_eq!(texts.len(), 6);
        assert_eq!(texts.concat(), lines.concat());
    }

    #[test]
    fn a_file_is_put_aside_at_its_age_though_nothing_is_written() {
        let folder = Folder::new();
        let (mut file, _) = open(&folder, 1_000).unwrap();
        file.attend(at(7_200)).unwrap();
        assert!(!file.take_rotated(), "an empty one is not");
        write(&mut file, "{}\n", 7_201);
        let born = at(0);
        file.open.as_mut().unwrap().begun = born;
        file.attend(at(3_599)).unwrap();
        assert!(!file.take_rotated());
        file.attend(at(3_600)).unwrap();
        assert!(file.take_rotated());
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), "");
    }

    #[test]
    fn a_line_longer_than_the_size_has_a_file_of_its_own() {
        let folder = Folder::new();
        let (mut file, _) = open(&folder, 10).unwrap();
        write(&mut file, "{}\n{\"long\":\"long\"}\n{}\n", 1);
        assert_eq!(folder.others().len(), 2);
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), "{}\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_followed_until_it_is_opened_anew() {
        let folder = Folder::new();
        let moved = folder.path().with_extension("1");
        let (mut file, _) = open(&folder, 1_000).unwrap();
        write(&mut file, "{\"a\":1}\n", 1);
        fs::rename(folder.path(), &moved).unwrap();
        file.attend(at(2)).unwrap();
        write(&mut file, "{\"a\":2}\n", 2);
        file.reopen();
        write(&mut file, "{\"a\":3}\n", 3);
        assert_eq!(fs::read_to_string(moved).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), "{\"a\":3}\n");
    }

    #[test]
    fn a_file_that_was_deleted_is_made_anew() {
        let folder = Folder::new();
        let (mut file, _) = open(&folder, 1_000).unwrap();
        write(&mut file, "{\"a\":1}\n", 1);
        fs::remove_file(folder.path()).unwrap();
        file.attend(at(2)).unwrap();
        write(&mut file, "{\"a\":2}\n", 2);
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), "{\"a\":2}\n");
    }

    #[test]
    fn others_may_not_read_a_file() {
        let folder = Folder::new();
        let _file = open(&folder, 1_000).unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777 & !MODE, 0, "{mode:o}");
    }

    #[test]
    #[ignore = "needs root: who may give files away"]
    fn a_file_and_what_replaces_it_belong_to_the_group_of_logs_as_root() {
        let groups = fs::read_to_string("/etc/group").unwrap();
        let group = groups
            .lines()
            .find_map(|line| line.strip_prefix("adm:x:"))
            .unwrap();
        let group: u32 = group.split(':').next().unwrap().parse().unwrap();
        let folder = Folder::new();
        let (mut file, _) = open(&folder, 4).unwrap();
        write(&mut file, "{}\n{}\n{}\n", 1);
        folder.aside().tidy(at(2), &|| true).unwrap();
        let mut files = folder.others();
        files.push(folder.path());
        assert!(
            files.len() == 3 && files[0].extension().unwrap() == "zst",
            "{files:?}"
        );
        for file in files {
            assert_eq!(fs::metadata(&file).unwrap().gid(), group, "{file:?}");
        }
    }

    #[test]
    fn where_the_directory_is_gone_nothing_is_taken_until_it_is_back() {
        let folder = Folder::new();
        let (mut file, _) = open(&folder, 1_000).unwrap();
        fs::remove_dir_all(&folder.0).unwrap();
        assert!(file.attend(at(1)).is_err() && !file.is_open());
        let taken = file.write(b"{}\n", at(1));
        assert!(taken.bytes == 0 && matches!(taken.fault, Some(Fault::Failed(_))));
        fs::create_dir(&folder.0).unwrap();
        write(&mut file, "{}\n", 2);
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), "{}\n");
    }
}
