//! Files of a few lines: what is rewritten, what is refused, and what a crash leaves.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::pseudonyms::Fingerprint;
use crate::source::compression::Compression;
use crate::source::packing::Packer;

const TEXT: &str = "{\"src_ip\":\"192.0.2.2\"}\n{\"src_ip\":\"192.0.2.20\"}\n";
const REST: &str = "{\"src_ip\":\"192.0.2.20\"}\n";

/// A directory of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchspan-erase-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap().map(Result::unwrap);
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn whose() -> Whose {
    Whose::new(["192.0.2.2".parse().unwrap()], Fingerprint::NONE)
}

fn packed(form: Option<Compression>, text: &str) -> Vec<u8> {
    let mut packer = Packer::new(form, Vec::new()).unwrap();
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn refusal(path: &Path) -> String {
    erase(path, &whose(), Mode::Erase).unwrap_err().to_string()
}

#[test]
fn a_rewritten_file_keeps_its_form_mode_and_time() {
    let folder = Folder::new();
    for form in [
        None,
        Some(Compression::Gzip),
        Some(Compression::Zstd),
        Some(Compression::Xz),
    ] {
        let path = folder.file("a", packed(form, TEXT));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let old = fs::metadata(&path).unwrap().modified().unwrap() - Duration::from_secs(86_400);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(old)
            .unwrap();
        let found = erase(&path, &whose(), Mode::Erase).unwrap();
        assert_eq!((found.all, found.of_client), (2, 1));
        assert_eq!(fs::read(&path).unwrap(), packed(form, REST));
        let data = fs::metadata(&path).unwrap();
        assert_eq!(data.permissions().mode() & 0o7777, 0o640);
        assert_eq!(data.modified().unwrap(), old);
        assert_eq!(folder.names(), ["a"]);
    }
}

#[test]
fn a_file_without_the_client_is_not_touched_nor_is_one_that_is_only_counted() {
    let folder = Folder::new();
    let path = folder.file("a", REST);
    let inode = fs::metadata(&path).unwrap().ino();
    assert_eq!(erase(&path, &whose(), Mode::Erase).unwrap().of_client, 0);
    let other = folder.file("b", TEXT);
    assert_eq!(erase(&other, &whose(), Mode::Count).unwrap().of_client, 1);
    assert_eq!(fs::read_to_string(&other).unwrap(), TEXT);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn a_file_that_is_written_or_has_other_names_is_refused() {
    let folder = Folder::new();
    let path = folder.file("a", TEXT);
    let held = file::Held::open(&path).unwrap();
    assert!(refusal(&path).starts_with("is in use: "));
    drop(held);
    symlink(&path, folder.0.join("link")).unwrap();
    assert!(refusal(&folder.0.join("link")).starts_with("is a symbolic link"));
    assert!(refusal(&folder.0).starts_with("is a directory"));
    assert!(refusal(&folder.0.join("none")).starts_with("cannot be read"));
    fs::hard_link(&path, folder.0.join("b")).unwrap();
    assert!(refusal(&path).starts_with("has another name"));
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
}

#[test]
fn a_file_that_changes_while_it_is_read_stays_as_it_became() {
    let folder = Folder::new();
    let path = folder.file("a", TEXT);
    let mut held = file::Held::open(&path).unwrap();
    let mut appended = File::options().append(true).open(&path).unwrap();
    appended.write_all(TEXT.as_bytes()).unwrap();
    let error = held.erase(&whose(), Mode::Erase).unwrap_err();
    assert!(matches!(error, EraseError::Changed));
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT.repeat(2));
    drop(held);
    let mut held = file::Held::open(&path).unwrap();
    fs::rename(folder.file("b", REST), &path).unwrap();
    let error = held.erase(&whose(), Mode::Erase).unwrap_err();
    assert!(matches!(error, EraseError::Changed));
    assert_eq!(folder.names(), ["a"], "nothing is left over");
}

#[test]
fn a_compressed_file_that_is_cut_or_damaged_stays() {
    let folder = Folder::new();
    for form in [Compression::Gzip, Compression::Zstd, Compression::Xz] {
        let whole = packed(Some(form), &TEXT.repeat(100));
        for length in 6..whole.len() {
            let path = folder.file("a", &whole[..length]);
            assert!(refusal(&path).starts_with("cannot be read"), "{length}");
            assert_eq!(fs::read(&path).unwrap(), &whole[..length]);
        }
    }
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn what_a_killed_run_left_goes_and_is_not_followed() {
    let folder = Folder::new();
    let (path, other) = (folder.file("a", REST), folder.file("other", TEXT));
    symlink(&other, folder.0.join(".a.erase")).unwrap();
    erase(&path, &whose(), Mode::Count).unwrap();
    assert_eq!(folder.names().len(), 3);
    erase(&path, &whose(), Mode::Erase).unwrap();
    assert_eq!(folder.names(), ["a", "other"]);
    assert_eq!(fs::read_to_string(other).unwrap(), TEXT);
}

#[test]
fn a_directory_is_all_files_in_it() {
    let folder = Folder::new();
    for name in [
        "b.json",
        "a.json.zst",
        ".a.json.zst.erase",
        ".c.erase",
        "state.new",
    ] {
        folder.file(name, "");
    }
    fs::create_dir(folder.0.join("deeper")).unwrap();
    let names = |paths: Vec<PathBuf>| -> Vec<String> {
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths.into_iter().map(name).collect()
    };
    let all = names(files(&folder.0).unwrap());
    assert_eq!(
        all,
        [".c.erase", "a.json.zst", "b.json", "deeper", "state.new"]
    );
    folder.file("state", "");
    let all = names(files(&folder.0).unwrap());
    assert!(!all.contains(&"state.new".to_owned()));
    assert_eq!(
        files(&folder.0.join("b.json")).unwrap(),
        [folder.0.join("b.json")]
    );
}
