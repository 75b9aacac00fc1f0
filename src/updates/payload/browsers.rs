//! Firefox and Thunderbird, Chrome and Edge, and components of those that descend from Chromium.

use super::PayloadId;
use super::location::{Location, is_guid, is_version};

/// `/pub/firefox/releases/118.0.2/update/win64/ja/firefox-118.0.1-118.0.2.partial.mar`.
pub(super) fn mar(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".mar"])?;
    let bare = stem
        .strip_suffix(".partial")
        .or(stem.strip_suffix(".complete"));
    let mut versions = bare
        .unwrap_or(stem)
        .split('-')
        .skip(1)
        .filter(|part| is_release(part));
    let (first, second) = (versions.next(), versions.next());
    let mut folders = at.folders();
    let (locale, platform) = (folders.next(), folders.next());
    let is_update = platform.is_some() && folders.next() == Some("update");
    let known = |word: Option<&str>| word.filter(|_| is_update).map(str::to_owned);
    Some(PayloadId {
        version: second.or(first).map(str::to_owned),
        from_version: second.and(first).map(str::to_owned),
        architecture: known(platform),
        locale: known(locale),
        ..PayloadId::of(stem)
    })
}

/// `118.0.5993.71_118.0.5993.54_chrome_updater.exe`, `118.0.5993.71_chrome_installer.exe`, `GoogleChrome-118.0.5993.71.dmg`.
pub(super) fn chrome(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".exe", ".dmg", ".pkg", ".zip", ".crx3"])?;
    let is_chrome = [
        "chrome_installer",
        "chrome_updater",
        "googlechrome-",
        "googlechrome_",
    ]
    .iter()
    .any(|name| stem.to_ascii_lowercase().contains(name));
    is_chrome.then(|| with_versions(stem)).flatten()
}

/// `MicrosoftEdge_X64_118.0.2088.46_118.0.2088.44.exe`.
pub(super) fn edge(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".exe", ".msi", ".pkg", ".cab"])?;
    stem.starts_with("MicrosoftEdge")
        .then(|| with_versions(stem))
        .flatten()
}

/// `/edgedl/release2/chrome_component/<token>_1.2.3/<id>_1.2.3_all_<token>.crx3`, or the id as a folder.
pub(super) fn component(at: &Location) -> Option<PayloadId> {
    let id_of = |segment: &str| {
        let bare = segment.split('_').next().unwrap_or_default();
        let bare = bare
            .strip_prefix('{')
            .and_then(|bare| bare.strip_suffix('}'))
            .unwrap_or(bare);
        (is_component(bare) || is_guid(bare)).then(|| bare.to_owned())
    };
    let is_served = [
        "/chrome_component/",
        "/diffgen-puffin/",
        "/chromewebstore/",
        "/crx/",
    ]
    .iter()
    .any(|place| at.holds(place));
    let by_name = at.stem(&[".crx3", ".crx", ".crxd"]).and_then(id_of);
    let mut folders = at.folders();
    let by_folder = || folders.find_map(id_of).filter(|_| is_served);
    let id = by_name.or_else(by_folder);
    let of_words = |segment: &str| {
        let mut words = segment.split(['_', '-']);
        words.find(|word| is_version(word)).map(str::to_owned)
    };
    let mut segments = at
        .file_without_ending()
        .into_iter()
        .chain(at.folders().take(2));
    let version = segments.find_map(of_words);
    match id {
        Some(id) => Some(PayloadId {
            version,
            ..PayloadId::of(id)
        }),
        // Components go by a token of their own in some folders: the version is all that tells.
        None if at.holds("/chrome_component/") => version.map(|version| PayloadId {
            version: Some(version.clone()),
            ..PayloadId::of(version)
        }),
        None => None,
    }
}

/// 32 letters from `a` to `p`: hex digits that begin at another letter.
fn is_component(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|letter| (b'a'..=b'p').contains(&letter))
}

/// The first version is brought, the second one needed.
fn with_versions(stem: &str) -> Option<PayloadId> {
    let mut versions = stem.split(['_', '-']).filter(|word| is_version(word));
    let (version, from_version) = (versions.next(), versions.next());
    let words = || stem.split('_');
    let machine =
        words().find(|word| matches!(word.to_ascii_lowercase().as_str(), "x64" | "x86" | "arm64"));
    version.map(|version| PayloadId {
        version: Some(version.to_owned()),
        from_version: from_version.map(str::to_owned),
        architecture: machine.map(str::to_ascii_lowercase),
        ..PayloadId::of(stem)
    })
}

/// `118.0.2`, `115.3.0esr`, `120.0b3`.
fn is_release(text: &str) -> bool {
    let numbers = text.trim_end_matches("esr");
    let numbers = numbers
        .split_once(['a', 'b'])
        .map_or(numbers, |(numbers, _)| numbers);
    is_version(numbers)
}
