//! Windows Update, Delivery Optimization, Defender, Office.

use super::PayloadId;
use super::location::{Location, is_guid, is_hash, is_number, is_version};

/// Endings of packages.
const PACKAGES: [&str; 11] = [
    ".cab", ".msu", ".exe", ".psf", ".msp", ".msi", ".esd", ".wim", ".appx", ".msix", ".zip",
];
/// Machines, as file names call them.
const MACHINES: [&str; 6] = ["x64", "x86", "arm64", "amd64", "ia64", "arm"];

/// `am_delta_patch_1.273.1234.0_<hash>.exe`, `mpam-fe.exe`.
pub(super) fn defender(at: &Location) -> Option<PayloadId> {
    const BEGINNINGS: [&str; 6] = [
        "am_",
        "mpam-",
        "mpas-",
        "nis_",
        "mpsigstub",
        "updateplatform",
    ];
    let (name, hash) = name_and_hash(at.stem(&[".exe"])?);
    let lowered = name.to_ascii_lowercase();
    BEGINNINGS
        .iter()
        .any(|beginning| lowered.starts_with(beginning))
        .then(|| PayloadId {
            version: name
                .split('_')
                .find(|part| is_version(part))
                .map(str::to_owned),
            hash,
            ..PayloadId::of(name)
        })
}

/// `windows10.0-kb4343899-x64_<hash>.cab` gives `KB4343899`.
pub(super) fn knowledge_base(at: &Location) -> Option<PayloadId> {
    let (name, hash) = name_and_hash(at.stem(&PACKAGES)?);
    let lowered = name.to_ascii_lowercase();
    let mut words = lowered.split(|letter: char| !letter.is_ascii_alphanumeric());
    let article = words.find_map(article)?;
    Some(PayloadId {
        architecture: machine(&lowered),
        hash,
        ..PayloadId::of(format!("KB{article}"))
    })
}

/// `17763.1.180914-1434.rs5_release_x64fre_ja-jp_<hash>.esd`: whatever else Windows Update serves under a hash.
pub(super) fn package(at: &Location) -> Option<PayloadId> {
    // Small descriptions of updates, fetched while a client looks for some.
    let is_description = at.holds("/update/others/");
    let (name, hash) = name_and_hash(at.stem(&PACKAGES)?);
    (at.holds("/msdownload/update/") && hash.is_some() && !is_description).then(|| PayloadId {
        architecture: machine(&name.to_ascii_lowercase()),
        hash,
        ..PayloadId::of(name)
    })
}

/// `/filestreamingservice/files/<id>` gives the id.
pub(super) fn delivery_optimization(at: &Location) -> Option<PayloadId> {
    let lowered = at.path().to_ascii_lowercase();
    // What lies below the id is a list of hashes.
    let (_, id) = lowered.split_once("/filestreamingservice/files/")?;
    is_guid(id).then(|| PayloadId::of(id))
}

/// `/pr/<channel>/Office/Data/16.0.14326.20404/stream.x64.ja-jp.dat` gives the build.
pub(super) fn office(at: &Location) -> Option<PayloadId> {
    let mut folders = at.folders().skip_while(|folder| !is_version(folder));
    let build = folders.next()?;
    let is_data = folders.next()?.eq_ignore_ascii_case("data")
        && folders.next()?.eq_ignore_ascii_case("office");
    let words = || at.file().split('.');
    is_data.then(|| PayloadId {
        version: Some(build.to_owned()),
        architecture: words()
            .find(|word| MACHINES.contains(word))
            .map(str::to_owned),
        locale: words().find(|word| is_locale(word)).map(str::to_owned),
        ..PayloadId::of(format!("{build}/{}", at.file()))
    })
}

fn is_locale(word: &str) -> bool {
    let (language, region) = word.split_once('-').unwrap_or_default();
    let is_letters = |part: &str| part.bytes().all(|letter| letter.is_ascii_alphabetic());
    language.len() == 2
        && (2..=4).contains(&region.len())
        && is_letters(language)
        && is_letters(region)
}

/// `kb4343899` gives the number.
fn article(word: &str) -> Option<&str> {
    let digits = word.strip_prefix("kb")?;
    ((6..=8).contains(&digits.len()) && is_number(digits)).then_some(digits)
}

/// Splits off the hash with which Windows Update ends a name.
fn name_and_hash(stem: &str) -> (&str, Option<String>) {
    match stem.rsplit_once('_') {
        Some((name, hash)) if is_hash(hash) && !name.is_empty() => {
            (name, Some(hash.to_ascii_lowercase()))
        }
        _ => (stem, None),
    }
}

/// The machine that a name in lower case speaks of: `x64fre` too.
fn machine(lowered: &str) -> Option<String> {
    let words = || lowered.split(['-', '_', '.']);
    let named = |machine: &&str| {
        words().any(|word| {
            word.strip_prefix(machine)
                .is_some_and(|rest| matches!(rest, "" | "fre"))
        })
    };
    MACHINES.into_iter().find(named).map(str::to_owned)
}
