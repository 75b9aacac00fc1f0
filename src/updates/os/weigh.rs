//! From what was seen of a client to a guess at its operating system.
//!
//! Strong evidence names a system, weak evidence only supports one. What goes with a system, as its check whether it is online, its time
//! server and its DHCP client, weighs more than what a program does: programs run in containers, in virtual machines, under Wine and
//! WSL. And what a host's own stack looks like tells a host that hands on what others ask from one that asks for itself.
//!
//! | confidence | needs |
//! |---|---|
//! | high | two kinds of strong evidence for one system, one of them of the system itself, and SYNs or DHCP that agree; nothing that contradicts |
//! | medium | strong evidence for one system |
//! | low | strong evidence that SYNs contradict, or a time server alone; or weak evidence alone, which tells a family and no more |

use super::rules::{Kind, Row, Rules};
use super::system::System;
use super::{Hour, Seen};
use crate::updates::verdict::Confidence;

/// Hours after which evidence counts no more.
pub const FADES: u64 = 7 * 24;
/// Hours within which two systems at one address are there together; else one came after the other.
const TOGETHER: u64 = 24;

/// A guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsGuess {
    /// The system, or the family.
    pub name: System,
    /// Its version, where evidence carries it.
    pub version: Option<String>,
    /// How far it can be trusted.
    pub confidence: Confidence,
    /// Evidence of several systems at once: address translation, a virtual machine, two systems on one computer.
    pub is_mixed: bool,
    /// What kinds of evidence it rests on, and what speaks against it.
    pub evidence: Vec<&'static str>,
}

impl OsGuess {
    /// The same where several hosts are known to stand behind the address: whatever tells of one may be another's.
    #[must_use]
    pub fn of_several_hosts(self) -> Self {
        Self {
            version: None,
            confidence: self.confidence.min(Confidence::Medium),
            is_mixed: true,
            ..self
        }
    }
}

/// Words of [`OsGuess::evidence`], in their order.
pub const WORDS: [&str; 11] = [
    "connectivity",
    "time",
    "update",
    "user_agent",
    "dhcp",
    "browser",
    "ja4",
    "syn",
    "question",
    "syn_differs",
    "relay",
];

/// One thing that was seen, with what it tells.
#[derive(Clone, Copy)]
struct Told<'s> {
    row: &'s Row,
    system: System,
    version: &'s str,
    last: Hour,
    is_strong: bool,
    is_question: bool,
}

/// Everything that counts.
struct Scale<'s> {
    told: Vec<Told<'s>>,
    /// The hour in which anything was last seen.
    newest: Hour,
    is_relay: bool,
}

/// What `seen` comes to at the hour `now`; `None`: it tells nothing, or too many things.
pub fn guess(rules: &Rules, seen: &[Seen], now: Hour) -> Option<OsGuess> {
    let scale = Scale::of(rules, seen, now)?;
    let tips = scale.tips(|told| told.is_strong);
    let newest = tips.iter().filter_map(|tip| scale.last_of(*tip)).max();
    let Some(newest) = newest else {
        return scale.weak();
    };
    let is_present = |tip: &System| {
        let last = scale.last_of(*tip);
        last.is_some_and(|last| newest.since(last) <= TOGETHER)
    };
    let (present, past): (Vec<System>, Vec<System>) = tips.into_iter().partition(is_present);
    match present.as_slice() {
        [one] => Some(scale.one(*one, past.is_empty())),
        several => scale.several(several),
    }
}

impl<'s> Scale<'s> {
    fn of(rules: &'s Rules, seen: &'s [Seen], now: Hour) -> Option<Self> {
        let fresh = seen.iter().filter(|seen| now.since(seen.last) <= FADES);
        let with_rows = fresh.filter_map(|seen| Some((seen, rules.row(seen.evidence.row)?)));
        let all: Vec<(&Seen, &Row)> = with_rows.collect();
        let newest = all.iter().map(|(seen, _)| seen.last).max()?;
        let is_relay = all.iter().any(|(_, row)| row.kind == Kind::Relay);
        let told = all.into_iter().filter_map(|(seen, row)| {
            let is_own = matches!(row.kind, Kind::Time | Kind::Dhcp | Kind::Syn);
            Some(Told {
                row,
                system: row.system.filter(|_| is_own || !is_relay)?,
                version: &seen.evidence.version,
                last: seen.last,
                is_strong: row.is_strong && seen.evidence.is_contact,
                is_question: !seen.evidence.is_contact,
            })
        });
        Some(Self {
            told: told.collect(),
            newest,
            is_relay,
        })
    }

    /// The systems that are told by what `counts`, without those that another one belongs to.
    fn tips(&self, counts: impl Fn(&Told<'_>) -> bool) -> Vec<System> {
        let counting = self.told.iter().filter(|told| counts(told));
        let mut systems: Vec<System> = counting.map(|told| told.system).collect();
        systems.sort_unstable();
        systems.dedup();
        let is_tip = |system: &System| {
            let mut others = systems.iter().filter(|other| *other != system);
            !others.any(|other| other.is_within(*system))
        };
        systems.iter().copied().filter(is_tip).collect()
    }

    fn strong_for(&self, tip: System) -> impl Iterator<Item = &Told<'s>> {
        let strong = self.told.iter().filter(|told| told.is_strong);
        strong.filter(move |told| told.system == tip)
    }

    fn last_of(&self, tip: System) -> Option<Hour> {
        self.strong_for(tip).map(|told| told.last).max()
    }

    fn kinds_for(&self, tip: System) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = self.strong_for(tip).map(|told| told.row.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// Whether the host's own stack is seen to be of `system`, and whether it is seen to be of another.
    fn stack(&self, system: System) -> (bool, bool) {
        let is_recent = |told: &&Told<'_>| self.newest.since(told.last) <= TOGETHER;
        let recent = || self.told.iter().filter(is_recent);
        let is_own = |told: &&Told<'_>| {
            told.row.kind == Kind::Syn || (told.row.kind == Kind::Dhcp && told.is_strong)
        };
        let agrees = recent()
            .filter(is_own)
            .any(|told| told.system.agrees(system));
        let mut shapes = recent().filter(|told| told.row.kind == Kind::Syn);
        (agrees, shapes.any(|told| !told.system.agrees(system)))
    }

    /// One system alone is told; `is_steady`: and no other in the days before.
    fn one(&self, tip: System, is_steady: bool) -> OsGuess {
        let kinds = self.kinds_for(tip);
        let (agrees, differs) = self.stack(tip);
        let is_well_known = kinds.len() > 1 && kinds.iter().any(|kind| kind.is_of_system());
        // Cameras, printers and routers come with the time servers of others.
        let is_any_device = kinds == [Kind::Time] && !agrees;
        let confidence = match (agrees, differs) {
            (false, true) => Confidence::Low,
            _ if is_any_device => Confidence::Low,
            (true, false) if is_well_known && is_steady && !self.is_relay => Confidence::High,
            _ => Confidence::Medium,
        };
        let is_mixed = agrees && differs;
        OsGuess {
            name: tip.told(),
            version: self.version(tip).filter(|_| !is_mixed),
            confidence,
            is_mixed,
            evidence: self.words(&[tip], differs),
        }
    }

    /// Several systems are told at the same time. Where only one is told by what belongs to a system, programs of others run on it;
    /// else what they have in common is told.
    fn several(&self, tips: &[System]) -> Option<OsGuess> {
        let is_system =
            |tip: &&System| self.kinds_for(**tip).iter().any(|kind| kind.is_of_system());
        let mut systems = tips.iter().filter(is_system);
        let only = systems.next().filter(|_| systems.next().is_none()).copied();
        let mut all = tips.iter().copied();
        let first = all.next()?;
        let common = all.try_fold(first, System::common);
        let (name, is_sure) = match only.or(common) {
            Some(name) => (name, true),
            None => (self.heaviest(tips)?, false),
        };
        let (agrees, differs) = self.stack(name);
        let confidence = match is_sure && agrees && !differs {
            true => Confidence::Medium,
            false => Confidence::Low,
        };
        Some(OsGuess {
            name: name.told(),
            version: None,
            confidence,
            is_mixed: true,
            evidence: self.words(tips, differs),
        })
    }

    /// The system that most tells.
    fn heaviest(&self, tips: &[System]) -> Option<System> {
        let weight = |tip: &System| {
            let kinds = self.kinds_for(*tip);
            let of_system = kinds.iter().filter(|kind| kind.is_of_system()).count();
            (of_system, kinds.len(), self.last_of(*tip), *tip)
        };
        tips.iter().copied().max_by_key(weight)
    }

    /// Nothing strong: a family, where everything is of one.
    fn weak(&self) -> Option<OsGuess> {
        let mut families = self
            .told
            .iter()
            .filter_map(|told| told.system.lineage().last());
        let family = families.next()?;
        families.all(|other| other == family).then_some(())?;
        let confidence = Confidence::Low;
        Some(OsGuess {
            name: family.told(),
            version: None,
            confidence,
            is_mixed: false,
            evidence: self.words(&[family], false),
        })
    }

    /// The version of `tip` that was seen last; none where several were at once.
    fn version(&self, tip: System) -> Option<String> {
        let agreeing = self
            .told
            .iter()
            .filter(|told| told.system.agrees(tip) && !told.is_question);
        let versions = agreeing.filter_map(|told| {
            let version = told.row.version_of(tip, told.version)?;
            Some((told.last, version))
        });
        let versions: Vec<(Hour, String)> = versions.collect();
        let (newest, _) = versions.iter().max_by_key(|(last, _)| *last)?;
        let mut latest = versions.iter().filter(|(last, _)| last == newest);
        let (_, first) = latest.next()?;
        latest
            .all(|(_, other)| other == first)
            .then(|| first.clone())
    }

    fn words(&self, tips: &[System], differs: bool) -> Vec<&'static str> {
        let agrees = |told: &&Told<'_>| tips.iter().any(|tip| told.system.agrees(*tip));
        let mut words: Vec<&str> = self.told.iter().filter(agrees).map(Told::word).collect();
        words.extend(differs.then_some("syn_differs"));
        words.extend(self.is_relay.then_some("relay"));
        let all = WORDS.iter().copied();
        all.filter(|word| words.contains(word)).collect()
    }
}

impl Told<'_> {
    fn word(&self) -> &'static str {
        if self.is_question {
            "question"
        } else {
            self.row.kind.as_str()
        }
    }
}

impl Kind {
    /// Its word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connectivity => "connectivity",
            Self::Time => "time",
            Self::Update => "update",
            Self::UserAgent => "user_agent",
            Self::Dhcp => "dhcp",
            Self::Browser => "browser",
            Self::Ja4 => "ja4",
            Self::Syn => "syn",
            Self::Relay => "relay",
        }
    }

    /// Whether it is of the system itself: no container, and hardly a program, does the same.
    const fn is_of_system(self) -> bool {
        matches!(self, Self::Connectivity | Self::Time | Self::Dhcp)
    }
}
