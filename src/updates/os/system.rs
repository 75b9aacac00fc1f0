//! Operating systems, as a tree: from families to what belongs to them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An operating system, or a family of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// Windows, servers included.
    Windows,
    /// Apple's systems: which one is not known.
    Apple,
    /// macOS.
    Macos,
    /// iOS, iPadOS and their relatives.
    Ios,
    /// A Linux kernel, Android's included: which distribution is not known.
    Linux,
    /// Android or ChromeOS.
    Google,
    /// Android.
    Android,
    /// ChromeOS.
    Chromeos,
    /// A distribution that uses apt.
    Apt,
    /// Debian, and derivatives that say nothing else of themselves.
    Debian,
    /// Raspberry Pi OS.
    Raspbian,
    /// Kali.
    Kali,
    /// Ubuntu, and derivatives that say nothing else of themselves.
    Ubuntu,
    /// Linux Mint.
    Mint,
    /// Pop!_OS.
    Pop,
    /// Zorin OS.
    Zorin,
    /// A distribution that uses dnf or yum.
    Rpm,
    /// Fedora.
    Fedora,
    /// Red Hat Enterprise Linux.
    Rhel,
    /// CentOS.
    Centos,
    /// Rocky Linux.
    Rocky,
    /// AlmaLinux.
    Alma,
    /// SUSE and openSUSE.
    Suse,
    /// Arch Linux.
    Arch,
    /// Manjaro.
    Manjaro,
    /// Alpine Linux.
    Alpine,
    /// Gentoo.
    Gentoo,
    /// NixOS.
    Nixos,
    /// OpenWrt.
    Openwrt,
    /// A BSD: which one is not known.
    Bsd,
    /// FreeBSD.
    Freebsd,
}

use System::{
    Alma, Alpine, Android, Apple, Apt, Arch, Bsd, Centos, Chromeos, Debian, Fedora, Freebsd,
    Gentoo, Google, Ios, Kali, Linux, Macos, Manjaro, Mint, Nixos, Openwrt, Pop, Raspbian, Rhel,
    Rocky, Rpm, Suse, Ubuntu, Windows, Zorin,
};

/// Every system: its word, and what it belongs to.
#[rustfmt::skip] // A table.
const ALL: &[(System, &str, Option<System>)] = &[
    (Windows, "windows", None),
    (Apple, "apple", None), (Macos, "macos", Some(Apple)), (Ios, "ios", Some(Apple)),
    (Linux, "linux", None),
    (Google, "google", Some(Linux)), (Android, "android", Some(Google)), (Chromeos, "chromeos", Some(Google)),
    (Apt, "apt", Some(Linux)),
    (Debian, "debian", Some(Apt)), (Raspbian, "raspbian", Some(Debian)), (Kali, "kali", Some(Debian)),
    (Ubuntu, "ubuntu", Some(Apt)), (Mint, "mint", Some(Ubuntu)), (Pop, "pop", Some(Ubuntu)), (Zorin, "zorin", Some(Ubuntu)),
    (Rpm, "rpm", Some(Linux)), (Fedora, "fedora", Some(Rpm)), (Rhel, "rhel", Some(Rpm)), (Centos, "centos", Some(Rpm)),
    (Rocky, "rocky", Some(Rpm)), (Alma, "alma", Some(Rpm)),
    (Suse, "suse", Some(Linux)), (Arch, "arch", Some(Linux)), (Manjaro, "manjaro", Some(Arch)),
    (Alpine, "alpine", Some(Linux)), (Gentoo, "gentoo", Some(Linux)), (Nixos, "nixos", Some(Linux)),
    (Openwrt, "openwrt", Some(Linux)),
    (Bsd, "bsd", None), (Freebsd, "freebsd", Some(Bsd)),
];

impl System {
    /// Its word, in records and in the table of evidence.
    pub fn as_str(self) -> &'static str {
        self.row().map_or("", |(_, word, _)| word)
    }

    /// The system of a word.
    pub fn parse(word: &str) -> Option<Self> {
        let row = ALL.iter().find(|(_, own, _)| *own == word)?;
        Some(row.0)
    }

    /// Every system.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(system, ..)| *system)
    }

    /// What it belongs to.
    pub fn parent(self) -> Option<Self> {
        self.row().and_then(|(.., parent)| *parent)
    }

    /// Itself, and what it belongs to, up to the family.
    pub fn lineage(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |system| system.parent())
    }

    /// Whether it is `other`, or belongs to it.
    pub fn is_within(self, other: Self) -> bool {
        self.lineage().any(|system| system == other)
    }

    /// Whether one host can be both: one belongs to the other.
    pub fn agrees(self, other: Self) -> bool {
        self.is_within(other) || other.is_within(self)
    }

    /// The nearest that both belong to.
    pub fn common(self, other: Self) -> Option<Self> {
        self.lineage().find(|system| other.is_within(*system))
    }

    /// What is told of it: some groups are only steps of the reasoning, and are told as what they belong to.
    pub fn told(self) -> Self {
        match self {
            Google | Apt | Rpm => Linux,
            told => told,
        }
    }

    fn row(self) -> Option<&'static (Self, &'static str, Option<Self>)> {
        ALL.iter().find(|(system, ..)| *system == self)
    }
}

impl Serialize for System {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for System {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        Self::parse(&word)
            .ok_or_else(|| serde::de::Error::custom(format!("`{word}` is no operating system")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_one_family_agrees_along_its_line() {
        assert!(Debian.agrees(Linux) && Linux.agrees(Debian) && Mint.agrees(Apt));
        assert!(!Debian.agrees(Ubuntu) && !Windows.agrees(Linux));
        assert_eq!(Debian.common(Mint), Some(Apt));
        assert_eq!(Android.common(Fedora), Some(Linux));
        assert_eq!(Windows.common(Macos), None);
    }

    #[test]
    fn every_system_has_its_row_and_its_word() {
        for system in System::all() {
            assert_eq!(System::parse(system.as_str()), Some(system));
            assert!(system.is_within(system.told()));
        }
    }
}
