//! What texts on the wire say about updates, in points: ten double the odds.
//!
//! The words were chosen by hand, after they were counted on half of the catalogue's vendors and half of the names in
//! `tests/catalogue/no-updates.txt`; their points follow those counts, rounded, and general knowledge where a word was rare. No word of a
//! vendor's name is among them. What they tell of vendors that they do not know, `tests/learn.rs` measures.

use super::names;

/// Words that a part of a name is, or that it ends or begins with, and their points.
const WORDS: &[(&str, i32)] = &[
    // Fetching and asking.
    ("update", 38),
    ("updates", 36),
    ("updater", 34),
    ("upgrade", 36),
    ("autoupdate", 40),
    ("liveupdate", 40),
    ("softwareupdate", 40),
    ("swupdate", 40),
    ("appupdate", 38),
    ("fwupdate", 38),
    ("upd", 28),
    ("aus", 24),
    ("appcast", 36),
    ("download", 33),
    ("downloads", 36),
    ("dl", 34),
    ("dls", 28),
    ("patch", 26),
    ("patches", 30),
    ("hotfix", 30),
    ("release", 24),
    ("releases", 30),
    ("version", 22),
    ("versions", 22),
    ("versioncheck", 36),
    ("definitions", 36),
    ("defs", 28),
    ("signatures", 28),
    ("virusdef", 36),
    ("avupdate", 38),
    ("firmware", 34),
    ("fw", 26),
    ("drivers", 24),
    ("packages", 32),
    ("package", 26),
    ("pkg", 30),
    ("pkgs", 30),
    ("repo", 34),
    ("repos", 34),
    ("repository", 32),
    ("mirror", 36),
    ("mirrors", 36),
    ("mirrorlist", 36),
    ("archive", 20),
    ("apt", 36),
    ("deb", 34),
    ("debs", 32),
    ("rpm", 34),
    ("rpms", 32),
    ("yum", 36),
    ("ftp", 30),
    ("dist", 22),
    ("binaries", 26),
    ("artifacts", 24),
    ("installer", 24),
    ("installers", 26),
    ("setup", 16),
    ("catalog", 14),
    ("delivery", 18),
    ("swcdn", 30),
    ("software", 12),
    ("cdn", 6),
    ("security", 8),
    // Everything else.
    ("www", -36),
    ("metrics", -30),
    ("smetrics", -34),
    ("stats", -24),
    ("telemetry", -30),
    ("analytics", -30),
    ("tracking", -30),
    ("track", -26),
    ("pixel", -28),
    ("ads", -30),
    ("ad", -24),
    ("marketing", -26),
    ("beacon", -24),
    ("events", -20),
    ("collector", -24),
    ("collect", -20),
    ("log", -16),
    ("logs", -16),
    ("crash", -20),
    ("images", -24),
    ("img", -24),
    ("video", -18),
    ("mail", -22),
    ("login", -22),
    ("accounts", -18),
    ("ocsp", -50),
    ("crl", -40),
    ("ntp", -40),
    ("time", -20),
    ("dns", -24),
    ("doh", -30),
];

/// Longest part of a name that a word may be glued to, in letters more than the word has.
const GLUED: usize = 12;
/// Shortest word that may be glued to others: `download` in `javadownload`, but no `dl` in `middle`.
const SHORTEST_GLUED: usize = 6;
/// Points of one name's words are no more, and no less than its negative.
const MOST: i32 = 42;

/// What the words of a name say: points, and the words that count.
pub fn of_name(name: &str) -> (i32, Vec<&'static str>) {
    let mut found: Vec<(&'static str, i32)> = Vec::new();
    for part in names::words(name) {
        if let Some(known) = of_part(part).filter(|known| !found.contains(known)) {
            found.push(known);
        }
    }
    // The best word counts in full, others a quarter; words against it all count.
    found.sort_by_key(|(_, points)| -points);
    let mut points = 0;
    for (place, (_, own)) in found.iter().enumerate() {
        points += if *own > 0 && place > 0 { own / 4 } else { *own };
    }
    let words = found.into_iter().map(|(word, _)| word).collect();
    (points.clamp(-MOST, MOST), words)
}

fn of_part(part: &str) -> Option<(&'static str, i32)> {
    if let Some(known) = WORDS.iter().find(|(word, _)| *word == part) {
        return Some(*known);
    }
    let glued = |word: &str| {
        word.len() >= SHORTEST_GLUED
            && part.len() <= word.len() + GLUED
            && (part.ends_with(word) || part.starts_with(word))
    };
    let known = WORDS.iter().filter(|(word, _)| glued(word));
    let (word, points) = known.max_by_key(|(word, _)| word.len())?;
    Some((word, points * 3 / 4))
}

/// Whether a word of the name speaks of files rather than of asking.
pub fn speaks_of_files(name: &str) -> bool {
    const FILES: [&str; 19] = [
        "download",
        "downloads",
        "dl",
        "dls",
        "cdn",
        "swcdn",
        "files",
        "archive",
        "packages",
        "pkg",
        "pkgs",
        "repo",
        "mirror",
        "mirrors",
        "ftp",
        "deb",
        "rpm",
        "installers",
        "delivery",
    ];
    names::words(name).any(|part| FILES.contains(&part) || part.ends_with("download"))
}

/// What an update brings, by the end of its path.
const FILES: &[&str] = &[
    ".cab",
    ".msu",
    ".msp",
    ".msi",
    ".msix",
    ".appx",
    ".psf",
    ".esd",
    ".exe",
    ".deb",
    ".udeb",
    ".rpm",
    ".drpm",
    ".apk",
    ".pkg",
    ".dmg",
    ".mpkg",
    ".ipsw",
    ".mar",
    ".crx",
    ".crx3",
    ".xpi",
    ".nupkg",
    ".cvd",
    ".cld",
    ".cdiff",
    ".vdb",
    ".vdf",
    ".upd",
    ".kdc",
    ".dat.gz",
    ".snap",
    ".flatpak",
    ".fwupd",
    ".pkg.tar.zst",
    ".whl",
];

/// The same, by a part of it.
const FILE_PLACES: &[&str] = &[
    "/filestreamingservice/files/",
    "/msdownload/update/software/",
];

/// What surrounds updates: lists, manifests, questions for a version.
const LISTS: &[&str] = &[
    "/dists/",
    "/inrelease",
    "/release.gpg",
    "/repodata/",
    "repomd.xml",
    "/packages.xz",
    "/packages.gz",
    "/selfupdate/",
    "wuident",
    "clientwebservice",
    "/update/",
    "/updates/",
    "/autoupdate",
    "/appcast",
    "sparkle",
    "/update.xml",
    "/update.json",
    "/version.xml",
    "/version.json",
    "/version.txt",
    "/latest.yml",
    "/latest/",
    "/latest.json",
    ".sucatalog",
    "/service/update2",
    "/definitions/",
    "/defs/",
    "/pool/",
    "/manifest.",
];

/// User-Agents of update clients, in part.
const AGENTS: &[&str] = &[
    "windows-update-agent",
    "microsoft-delivery-optimization",
    "microsoft bits",
    "microsoft wu client",
    "apt-http",
    "apt-cacher",
    "libdnf",
    "urlgrabber",
    "yum",
    "zypp",
    "pacman",
    "apk-tools",
    "snapd",
    "flatpak",
    "fwupd",
    "google update",
    "googleupdate",
    "omaha",
    "microsoftedgeupdate",
    "softwareupdate",
    "swscan",
    "mobileasset",
    "sparkle/",
    "squirrel",
    "electron-updater",
    "clamav",
    "freshclam",
    "avira",
    "eset",
    "kaspersky",
    "mcafee",
    "symantec",
    "sophos",
    "liveupdate",
    "autoupdate",
    "updater",
    "nuget",
    "homebrew",
];

const PACKAGE_TYPES: &[&str] = &[
    "vnd.debian.binary-package",
    "x-debian-package",
    "x-rpm",
    "x-redhat-package-manager",
    "vnd.ms-cab-compressed",
    "x-msi",
    "x-msdownload",
    "x-xpinstall",
    "android.package-archive",
];

const PAGE_TYPES: &[&str] = &[
    "text/html",
    "text/css",
    "javascript",
    "image/",
    "video/",
    "font",
];

/// What requests on plain HTTP speak for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The path of a file that an update brings.
    File,
    /// The path of a list or a question.
    List,
    /// The User-Agent of an update client.
    Agent,
    /// The type of a package.
    Package,
    /// The type of a part of a page.
    Page,
}

/// What a path says: the part of it that counts.
pub fn of_path(path: &str) -> Option<(Hint, &'static str)> {
    let path = path
        .split('?')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let by_end = FILES.iter().find(|end| path.ends_with(*end));
    let file = by_end.or_else(|| FILE_PLACES.iter().find(|part| path.contains(*part)));
    let list = || LISTS.iter().find(|part| path.contains(*part));
    file.map(|end| (Hint::File, *end))
        .or_else(|| list().map(|part| (Hint::List, *part)))
}

/// What a User-Agent says.
pub fn of_agent(agent: &str) -> Option<(Hint, &'static str)> {
    let agent = agent.to_ascii_lowercase();
    let known = AGENTS.iter().find(|part| agent.contains(*part))?;
    Some((Hint::Agent, known))
}

/// What a content type says.
pub fn of_type(kind: &str) -> Option<(Hint, &'static str)> {
    let kind = kind.to_ascii_lowercase();
    let package = PACKAGE_TYPES.iter().find(|part| kind.contains(*part));
    let page = || PAGE_TYPES.iter().find(|part| kind.contains(*part));
    package
        .map(|part| (Hint::Package, *part))
        .or_else(|| page().map(|part| (Hint::Page, *part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_before_the_suffix_and_whole_or_at_an_end() {
        assert_eq!(of_name("update.example.com"), (38, vec!["update"]));
        assert_eq!(of_name("javadl-esd.example.com"), (0, vec![]));
        assert_eq!(of_name("swdownloads.example.com").1, ["downloads"]);
        assert_eq!(of_name("middle.example.com"), (0, vec![]));
        assert!(of_name("updates-metrics.example.com").0 < 10);
        assert_eq!(of_name("www.example.download"), (-36, vec!["www"]));
    }

    #[test]
    fn words_stand_once_each() {
        let mut words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), WORDS.len());
    }

    #[test]
    fn requests_hint_at_updates() {
        assert_eq!(of_path("/a/b.CAB?x=1"), Some((Hint::File, ".cab")));
        assert_eq!(
            of_path("/debian/dists/stable/InRelease"),
            Some((Hint::List, "/dists/"))
        );
        assert_eq!(of_path("/index.html?file=a.cab"), None);
        assert_eq!(
            of_agent("Debian APT-HTTP/1.3 (2.6.2)"),
            Some((Hint::Agent, "apt-http"))
        );
        assert_eq!(
            of_type("text/html; charset=utf-8"),
            Some((Hint::Page, "text/html"))
        );
        assert_eq!(of_type("application/octet-stream"), None);
    }
}
