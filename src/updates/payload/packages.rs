//! Package managers of Linux: names, versions and architectures stand in the file's name.

use super::PayloadId;
use super::location::{Location, begins_with_digit};

/// `curl_7.88.1-10+deb12u5_amd64.deb` (Debian Policy section 5.6.12 has the form of a version).
pub(super) fn deb(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".deb", ".udeb"])?;
    let mut parts = stem.splitn(3, '_').skip(1);
    let version = parts.next().filter(|version| begins_with_digit(version));
    Some(PayloadId {
        version: version.map(str::to_owned),
        architecture: parts.next().map(str::to_owned),
        ..PayloadId::of(stem)
    })
}

/// `curl-8.0.1-1.fc38.x86_64.rpm`: name, version, release, architecture.
pub(super) fn rpm(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".rpm", ".drpm"])?;
    let (rest, architecture) = stem.rsplit_once('.').unzip();
    let version = rest.and_then(|rest| last_two(rest, '-'));
    Some(PayloadId {
        version,
        architecture: architecture.map(str::to_owned),
        ..PayloadId::of(stem)
    })
}

/// `/alpine/v3.18/main/x86_64/curl-8.1.2-r0.apk`: the architecture is the folder. Android's packages end alike and have no release.
pub(super) fn apk(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".apk"])?;
    let version = last_two(stem, '-').filter(|version| version.contains("-r"))?;
    Some(PayloadId {
        version: Some(version),
        architecture: at.folders().next().map(str::to_owned),
        ..PayloadId::of(stem)
    })
}

/// `curl-8.1.2-1-x86_64.pkg.tar.zst`.
pub(super) fn pacman(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".pkg.tar.zst", ".pkg.tar.xz", ".pkg.tar.gz"])?;
    let (rest, architecture) = stem.rsplit_once('-')?;
    Some(PayloadId {
        version: last_two(rest, '-'),
        architecture: Some(architecture.to_owned()),
        ..PayloadId::of(stem)
    })
}

/// `99T7MUlRhtI3U0QFgl5mXXESAiSwt776_16202.snap`: an id of 32 letters and digits, and a revision.
pub(super) fn snap(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".snap"])?;
    let (id, revision) = stem.split_once('_')?;
    let is_id = id.len() == 32 && id.bytes().all(|letter| letter.is_ascii_alphanumeric());
    (is_id && begins_with_digit(revision)).then(|| PayloadId {
        version: Some(revision.to_owned()),
        ..PayloadId::of(stem)
    })
}

/// The last two parts of `text`, with what stands between them, if there is one before: version and release.
fn last_two(text: &str, between: char) -> Option<String> {
    let (rest, _) = text.rsplit_once(between)?;
    let (name, _) = rest.rsplit_once(between)?;
    let version = text.get(name.len() + between.len_utf8()..)?;
    begins_with_digit(version).then(|| version.to_owned())
}
