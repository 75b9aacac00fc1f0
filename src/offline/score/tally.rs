//! Counts of a cell of the table, shares and their bounds.

use serde::Serialize;

use super::OTHER;

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Cell {
    /// What was played.
    pub scenario: String,
    /// What the product is counted with.
    pub family: String,
    /// What names the server on the wire.
    pub transport: String,
    /// Role.
    pub role: String,
}

/// What came of the accesses and records of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Accesses that had to be told.
    pub expected: u64,
    /// Of those, told rightly.
    pub found: u64,
    /// Of those, told by no record.
    pub missed: u64,
    /// Records that were judged.
    pub told: u64,
    /// Of those, right.
    pub right: u64,
    /// Records of what nothing on the wire tells, or of forged names, that were not sure of something wrong: not judged.
    pub excused: u64,
}

impl Cell {
    /// Where there is no place for more cells.
    pub fn other() -> Self {
        let other = || OTHER.to_owned();
        Self {
            scenario: other(),
            family: other(),
            transport: other(),
            role: other(),
        }
    }
}

impl Counts {
    /// Adds what was counted elsewhere.
    pub const fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.found += other.found;
        self.missed += other.missed;
        self.told += other.told;
        self.right += other.right;
        self.excused += other.excused;
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Records that were judged and are wrong.
    pub const fn wrong(&self) -> u64 {
        self.told.saturating_sub(self.right)
    }

    /// Share of the judged records that are right.
    pub fn precision(&self) -> Share {
        Share::of(self.right, self.told)
    }

    /// Share of the accesses that had to be told which were told rightly.
    pub fn recall(&self) -> Share {
        Share::of(self.found, self.expected)
    }
}

/// A share in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// What was found in the sample; 100 where there is no sample.
    pub percent: f64,
    /// Lower bound of the two-sided 95 % interval (Wilson 1927); 0 where there is no sample.
    pub at_least: f64,
}

impl Share {
    /// `part` of `whole`.
    pub fn of(part: u64, whole: u64) -> Self {
        /// 97.5 % quantile of the normal distribution.
        const Z: f64 = 1.959_964;
        if whole == 0 {
            return Self {
                percent: 100.0,
                at_least: 0.0,
            };
        }
        let (part, whole) = (part as f64, whole as f64);
        let share = part / whole;
        let square = Z * Z;
        let middle = share + square / (2.0 * whole);
        let spread = Z * (share * (1.0 - share) / whole + square / (4.0 * whole * whole)).sqrt();
        Self {
            percent: 100.0 * share,
            at_least: (100.0 * (middle - spread) / (1.0 + square / whole)).max(0.0),
        }
    }
}
