//! Vendors with one form each: Apple, Adobe, Java, antivirus definitions.

use super::PayloadId;
use super::location::{Location, begins_with_digit, is_hash, is_number, is_version};

/// `/content/downloads/../061-12345/../SecUpd2020-001Mojave.pkg`, `../com_apple_MobileAsset_SoftwareUpdate/<hash>.zip`,
/// `iPhone11,2_16.1_20B82_Restore.ipsw`.
pub(super) fn apple(at: &Location) -> Option<PayloadId> {
    if let Some(firmware) = at.stem(&[".ipsw"]) {
        return Some(PayloadId {
            version: firmware
                .split('_')
                .find(|part| is_version(part))
                .map(str::to_owned),
            ..PayloadId::of(firmware)
        });
    }
    if let Some(asset) = at
        .folders()
        .find(|folder| folder.starts_with("com_apple_MobileAsset_"))
    {
        let stem = at.stem(&[".zip", ".aar", ".pkg"])?;
        return Some(PayloadId {
            hash: Some(stem.to_ascii_lowercase()).filter(|hash| is_hash(hash)),
            ..PayloadId::of(asset)
        });
    }
    let stem = at.stem(&[".pkg", ".dmg", ".tar"])?;
    at.holds("/content/downloads/").then(|| PayloadId::of(stem))
}

/// `/pub/adobe/reader/win/AcrobatDC/2300120093/AcroRdrDCUpd2300120093.msp`.
pub(super) fn adobe(at: &Location) -> Option<PayloadId> {
    const ENDINGS: [&str; 8] = [
        ".msp", ".msi", ".exe", ".pkg", ".dmg", ".zip", ".pima", ".arm",
    ];
    let stem = at.stem(&ENDINGS)?;
    let is_adobe = at.holds("/pub/adobe/") || at.holds("/adobeproducts/");
    is_adobe.then(|| PayloadId {
        version: build(stem),
        ..PayloadId::of(stem)
    })
}

/// The last ten digits are a version: `2300120093` is 23.001.20093.
fn build(stem: &str) -> Option<String> {
    let mut runs = stem.split(|letter: char| !letter.is_ascii_digit());
    let digits = runs.find(|run| run.len() == 10)?;
    let (major, rest) = digits.split_at_checked(2)?;
    let (minor, patch) = rest.split_at_checked(3)?;
    Some(format!("{major}.{minor}.{patch}"))
}

/// `jre-8u361-windows-i586-iftw.exe`.
pub(super) fn java(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".exe", ".msi", ".dmg", ".rpm", ".tar.gz"])?;
    let version = stem.strip_prefix("jre-").or(stem.strip_prefix("jdk-"))?;
    let version = version.split(['-', '_']).next()?;
    begins_with_digit(version).then(|| PayloadId {
        version: Some(version.to_owned()),
        ..PayloadId::of(stem)
    })
}

/// `main.cvd`, `daily-27000.cdiff`.
pub(super) fn clamav(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".cvd", ".cdiff", ".cld"])?;
    let number = stem.split_once('-').map(|(_, number)| number);
    Some(PayloadId {
        version: number.map(str::to_owned),
        ..PayloadId::of(stem)
    })
}

/// `em023_64_l2.dll.nup`.
pub(super) fn eset(at: &Location) -> Option<PayloadId> {
    at.stem(&[".nup"]).map(PayloadId::of)
}

/// `avvdat-10543.zip`, `V3_5321dat.exe`.
pub(super) fn mcafee(at: &Location) -> Option<PayloadId> {
    let stem = at.stem(&[".zip", ".exe", ".gem"])?;
    let lowered = stem.to_ascii_lowercase();
    let number = lowered
        .strip_prefix("avvdat-")
        .or_else(|| lowered.strip_prefix("v3_")?.strip_suffix("dat"))?;
    is_number(number).then(|| PayloadId {
        version: Some(number.to_owned()),
        ..PayloadId::of(stem)
    })
}
