//! Paths as they are on the wire.

use super::*;

/// Kind, value and whatever else is told, with words between.
fn id(path: &str) -> Option<String> {
    let id = of_path(path.as_bytes())?;
    let more = [
        ("version", id.version),
        ("from", id.from_version),
        ("for", id.architecture),
        ("in", id.locale),
        ("hash", id.hash),
    ];
    let more = more
        .into_iter()
        .filter_map(|(word, value)| Some(format!(" {word} {}", value?)));
    Some(format!(
        "{} {}{}",
        id.kind,
        id.value,
        more.collect::<String>()
    ))
}

const HASH: &str = "0f1c2d3e4b5a69788796a5b4c3d2e1f001234567";

#[rustfmt::skip] // A table reads better a line an entry.
#[test]
fn real_paths_tell_what_was_fetched() {
    let guid = "1d2c3b4a-0000-4000-8000-00000000000a";
    for (path, told) in [
        (format!("/c/msdownload/update/software/secu/2018/08/windows10.0-kb4343899-x64_{HASH}.cab"), format!("kb KB4343899 for x64 hash {HASH}")),
        ("/d/msdownload/update/software/updt/2023/10/Windows11.0-KB5031354-arm64.msu?x=1".to_owned(), "kb KB5031354 for arm64".to_owned()),
        ("/msdownload/update/software/secu/2009/05/ndp20-kb974417-x86.exe".to_owned(), "kb KB974417 for x86".to_owned()),
        (format!("/d/upgr/msdownload/update/software/upgr/2018/09/17763.1_clientconsumer_ret_x64fre_ja-jp_{HASH}.esd"), format!("windows_package 17763.1_clientconsumer_ret_x64fre_ja-jp for x64 hash {HASH}")),
        (format!("/c/msdownload/update/software/defu/2018/08/am_delta_patch_1.273.1234.0_{HASH}.exe"), format!("defender am_delta_patch_1.273.1234.0 version 1.273.1234.0 hash {HASH}")),
        ("/defender/definitions/mpam-fe.exe".to_owned(), "defender mpam-fe".to_owned()),
        (format!("/filestreamingservice/files/{guid}?P1=5&P2=404"), format!("delivery_optimization {guid}")),
        (format!("/filestreamingservice/files/{}", guid.to_uppercase()), format!("delivery_optimization {guid}")),
        (format!("/pr/{guid}/Office/Data/16.0.14326.20404/stream.x64.ja-jp.dat"), "office 16.0.14326.20404/stream.x64.ja-jp.dat version 16.0.14326.20404 for x64 in ja-jp".to_owned()),
        ("/debian/pool/main/c/curl/curl_7.88.1-10%2bdeb12u5_amd64.deb".to_owned(), "deb curl_7.88.1-10+deb12u5_amd64 version 7.88.1-10+deb12u5 for amd64".to_owned()),
        ("/ubuntu/pool/main/o/openssh/openssh-client_1%3a9.2p1-2_arm64.deb".to_owned(), "deb openssh-client_1:9.2p1-2_arm64 version 1:9.2p1-2 for arm64".to_owned()),
        ("/fedora/updates/38/x86_64/Packages/c/curl-8.0.1-1.fc38.x86_64.rpm".to_owned(), "rpm curl-8.0.1-1.fc38.x86_64 version 8.0.1-1.fc38 for x86_64".to_owned()),
        ("/alpine/v3.18/main/x86_64/curl-8.1.2-r0.apk".to_owned(), "apk curl-8.1.2-r0 version 8.1.2-r0 for x86_64".to_owned()),
        ("/core/os/x86_64/curl-8.1.2-1-x86_64.pkg.tar.zst".to_owned(), "pacman curl-8.1.2-1-x86_64 version 8.1.2-1 for x86_64".to_owned()),
        ("/download-snap/99T7MUlRhtI3U0QFgl5mXXESAiSwt776_16202.snap?token=1".to_owned(), "snap 99T7MUlRhtI3U0QFgl5mXXESAiSwt776_16202 version 16202".to_owned()),
        ("/pub/firefox/releases/118.0.2/update/win64/ja/firefox-118.0.1-118.0.2.partial.mar".to_owned(), "mar firefox-118.0.1-118.0.2.partial version 118.0.2 from 118.0.1 for win64 in ja".to_owned()),
        ("/pub/thunderbird/releases/115.3.0esr/update/mac/en-US/thunderbird-115.3.0esr.complete.mar".to_owned(), "mar thunderbird-115.3.0esr.complete version 115.3.0esr for mac in en-US".to_owned()),
        ("/edgedl/release2/chrome/abc_118.0.5993.71/118.0.5993.71_118.0.5993.54_chrome_updater.exe".to_owned(), "chrome 118.0.5993.71_118.0.5993.54_chrome_updater version 118.0.5993.71 from 118.0.5993.54".to_owned()),
        ("/x/MicrosoftEdge_X64_118.0.2088.46_118.0.2088.44.exe".to_owned(), "edge MicrosoftEdge_X64_118.0.2088.46_118.0.2088.44 version 118.0.2088.46 from 118.0.2088.44 for x64".to_owned()),
        ("/edgedl/release2/chrome_component/Ab-c_1.3.36.141/hnimpnehoodheedghdeeijklkeaacbdc_1.3.36.141_all_Ab.crx3".to_owned(), "chrome_component hnimpnehoodheedghdeeijklkeaacbdc version 1.3.36.141".to_owned()),
        ("/edgedl/release2/chrome_component/AJqZYiqGvCtix64S2N84g-M_2020.11.2.164946/EWvH2e-LS80S29cxzuTfRA".to_owned(), "chrome_component 2020.11.2.164946 version 2020.11.2.164946".to_owned()),
        ("/edgedl/diffgen-puffin/hnimpnehoodheedghdeeijklkeaacbdc/0123".to_owned(), "chrome_component hnimpnehoodheedghdeeijklkeaacbdc".to_owned()),
        ("/content/downloads/12/34/061-12345/token/SecUpd2020-001Mojave.pkg".to_owned(), "apple SecUpd2020-001Mojave".to_owned()),
        (format!("/2023FallFCS/mobileassets/042-12345/{guid}/com_apple_MobileAsset_MacSoftwareUpdate/{HASH}.zip"), format!("apple com_apple_MobileAsset_MacSoftwareUpdate hash {HASH}")),
        ("/2022FallFCS/fullrestores/012-1/iPhone11,2_16.1_20B82_Restore.ipsw".to_owned(), "apple iPhone11,2_16.1_20B82_Restore version 16.1".to_owned()),
        ("/pub/adobe/reader/win/AcrobatDC/2300120093/AcroRdrDCUpd2300120093.msp".to_owned(), "adobe AcroRdrDCUpd2300120093 version 23.001.20093".to_owned()),
        ("/update/1.8.0/jre-8u361-windows-i586-iftw.exe".to_owned(), "java jre-8u361-windows-i586-iftw version 8u361".to_owned()),
        ("/daily-27000.cdiff".to_owned(), "clamav daily-27000 version 27000".to_owned()),
        ("/eset_upd/ep10/dll/update_2/em023_64_l2.dll.nup".to_owned(), "eset em023_64_l2.dll".to_owned()),
        ("/products/commonupdater/avvdat-10543.zip".to_owned(), "mcafee avvdat-10543 version 10543".to_owned()),
    ] {
        assert_eq!(id(&path), Some(told), "{path}");
    }
}

#[test]
fn what_is_no_update_tells_nothing() {
    for path in [
        "/",
        "",
        "/debian/dists/stable/InRelease",
        "/debian/dists/stable/main/binary-amd64/by-hash/SHA256/0f1c",
        "/msdownload/update/v3/static/trustedr/en/authrootstl.cab",
        "/c/msdownload/update/others/2016/12/22930010_0f1c2d3e4b5a69788796a5b4c3d2e1f001234567.cab",
        "/images/backup-kbytes.exe",
        "/filestreamingservice/files/metadata",
        "/filestreamingservice/files/1d2c3b4a-0000-4000-8000-00000000000a/pieceshash",
        "/apps/com.example.game-1.2.apk",
        "/update/1.8.0/jre-8u361-map.xml",
        "/crx/blobs/manifest.json",
        "/music/cursor_1.2.mp3",
        "/.deb",
        "/data/setup.exe",
        "/files/archive.pkg",
    ] {
        assert_eq!(id(path), None, "{path}");
    }
}

#[test]
fn any_path_is_read_without_harm() {
    let long = format!("/{}.deb", "%2b".repeat(10_000));
    assert_eq!(id(&long), None, "the ending is behind the cut");
    let samples = [
        "/a_%ff%00_b.deb",
        "/_.deb",
        "/-.rpm",
        "/x.mar",
        "/a-b-.pkg.tar.xz",
        "/{}.crx3",
        "/\u{30a2}\u{30c3}.msu",
    ];
    for sample in samples {
        let bytes = sample.as_bytes();
        for end in 0..=bytes.len() {
            of_path(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            for byte in 0..=u8::MAX {
                let mut changed = bytes.to_vec();
                changed[at] = byte;
                of_path(&changed);
            }
        }
    }
}

#[test]
fn every_kind_stands_once() {
    let mut words: Vec<&str> = kinds().map(|(kind, _)| kind).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), kinds().count());
}

#[test]
fn only_express_packages_are_read_in_pieces() {
    for (path, is_in_pieces) in [
        (
            "/c/msdownload/update/software/secu/2018/08/windows10.0-kb4343899-x64_0f1c.psf",
            true,
        ),
        ("/d/X.PSF?P1=1", true),
        ("/d/x.cab", false),
        ("/psf/x", false),
        ("/", false),
    ] {
        assert_eq!(is_read_in_pieces(path.as_bytes()), is_in_pieces, "{path}");
    }
}
