//! Names, their chains and addresses.

use fastrand::Rng;

/// Names of the catalogue: one lookup in fifty asks for one of them.
const WATCHED: [&str; 4] = [
    "download.mozilla.org",
    "aus5.mozilla.org",
    "download.windowsupdate.com",
    "fe2.update.microsoft.com",
];
const ONE_IN: u64 = 50;
const KINDS: [&str; 8] = [
    "www", "api", "static", "img", "mail", "cdn", "login", "media",
];

/// So many names, the first asked for most often.
pub(super) struct Names {
    count: u64,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name(u64);

impl Names {
    pub(super) const fn new(count: u64) -> Self {
        Self { count }
    }

    /// Half of all choices fall on the first eighth.
    pub(super) fn choose(&self, rng: &mut Rng) -> Name {
        let place = rng.f64().powi(3) * self.count as f64;
        Name((place as u64).min(self.count - 1))
    }

    /// In turn.
    pub(super) const fn nth(&self, number: u64) -> Name {
        Name(number % self.count)
    }
}

impl Name {
    /// Its text: of 30 bytes, but for names of the catalogue.
    pub(super) fn text(self) -> String {
        let number = self.0;
        if number % ONE_IN == ONE_IN - 1 {
            return WATCHED[(number / ONE_IN) as usize % WATCHED.len()].to_owned();
        }
        let kind = KINDS[(number % 8) as usize];
        format!(
            "{kind}{number:0width$}.site.example.net",
            width = 13 - kind.len()
        )
    }

    /// Names that it leads to before there is an address: none, one or two.
    pub(super) fn chain(self) -> Vec<String> {
        let number = self.0;
        (0..number % 3)
            .map(|link| {
                format!(
                    "{}-e{}.edge{link}.delivery.regional-1.content.example.org",
                    KINDS[(number % 8) as usize],
                    number % 977
                )
            })
            .collect()
    }

    /// Its `nth` address: those of few servers where the name is on a content network, else its own.
    pub(super) fn address(self, nth: u64) -> [u8; 4] {
        let place = if self.0.is_multiple_of(3) {
            self.0
        } else {
            self.0 % 977
        };
        let [.., b, c, d] = (place * 4 + nth % 4).to_be_bytes();
        // RFC 2544's benchmarking networks would hold 131,072; these hold all.
        [100 + (b & 31), b, c, d]
    }
}
