//! What a report takes from a line: records as they are read.
//!
//! A record that lacks something, or says it in a word that is not known, is refused as a whole. Text is made harmless and cut here, once:
//! behind this door nothing holds control characters or marks that turn text around.

use std::net::IpAddr;

use serde::Deserialize;

use super::kept::{
    Access, Binding, Coverage, Failure, Loss, Offered, Os, Seen, Session, What, Who,
};
use crate::records::time::parsed;
use crate::types::text::harmless;

/// Longest text that is kept, in characters.
const LONGEST_TEXT: usize = 200;
/// Most elements of a list that are kept.
const MOST_ELEMENTS: usize = 64;

/// A line, as far as a report reads it.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a record")]
pub(super) struct Line {
    pub timestamp: Option<String>,
    pub event_type: Option<String>,
    update: Option<UpdateForm>,
    update_session: Option<SessionForm>,
    coverage: Option<CoverageForm>,
    client_binding: Option<BindingForm>,
    loss: Option<LossForm>,
}

/// What a line is to a report.
#[derive(Debug)]
pub(super) enum Record {
    Access(String, Box<Access>),
    Session(String, Box<Session>),
    Coverage(Box<Coverage>),
    Binding(Box<Binding>),
    /// What comes from this MAC address is others' doing.
    Router([u8; 6]),
    Loss(Loss),
    /// The sensor ran: nothing else matters of it.
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an `update` object")]
struct UpdateForm {
    id: String,
    rev: u64,
    client: IpAddr,
    client_id: Option<String>,
    client_mac: Option<String>,
    vendor: String,
    product: String,
    role: String,
    verdict: String,
    start: String,
    #[serde(default)]
    evidence: Vec<String>,
    payload_id: Option<PayloadForm>,
    via: Option<String>,
    session: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a `payload_id` object")]
struct PayloadForm {
    kind: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an `update_session` object")]
struct SessionForm {
    id: String,
    rev: u64,
    client: IpAddr,
    client_id: Option<String>,
    client_mac: Option<String>,
    vendor: String,
    product: String,
    start: String,
    #[serde(default)]
    checks: u64,
    #[serde(default)]
    downloads: u64,
    offered: String,
    #[serde(default)]
    offered_evidence: Vec<String>,
    outcome: String,
    #[serde(default)]
    payload_ids: Vec<PayloadForm>,
    os: Option<OsForm>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an `os` object")]
struct OsForm {
    name: String,
    version: Option<String>,
    confidence: Option<String>,
    #[serde(default)]
    mixed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a `coverage` object")]
struct CoverageForm {
    client: IpAddr,
    client_id: Option<String>,
    client_mac: Option<String>,
    start: String,
    end: String,
    reported: Option<String>,
    active_minutes: u64,
    verdict: String,
    #[serde(default)]
    blind: Vec<String>,
    os: Option<OsForm>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a `client_binding` object")]
struct BindingForm {
    client: IpAddr,
    client_id: Option<String>,
    mac: String,
    #[serde(default)]
    names: Vec<String>,
    start: String,
    end: String,
    #[serde(default)]
    router: bool,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a `loss` object")]
struct LossForm {
    what: String,
    start: String,
    end: String,
}

impl Line {
    /// What it is; the error says what of it makes no sense.
    pub(super) fn into_record(self) -> Result<Record, &'static str> {
        let kind = self.event_type.ok_or("no record: it has no event_type")?;
        let (record, problem) = match kind.as_str() {
            "update" => (
                self.update.and_then(UpdateForm::read),
                "an update record lacks something",
            ),
            "update_session" => (
                self.update_session.and_then(SessionForm::read),
                "a session lacks something",
            ),
            "coverage" => (
                self.coverage.and_then(CoverageForm::read),
                "a coverage record lacks something",
            ),
            "client_binding" => (
                self.client_binding.and_then(BindingForm::read),
                "a binding lacks something",
            ),
            "loss" => (
                self.loss.and_then(LossForm::read),
                "a loss record lacks something",
            ),
            _ => return Ok(Record::Other),
        };
        record.ok_or(problem)
    }
}

impl UpdateForm {
    fn read(self) -> Option<Record> {
        // Lists, keys, probes and revocation say nothing of updates.
        if !matches!(self.role.as_str(), "check" | "download") {
            return Some(Record::Other);
        }
        let (what, failure) = match self.verdict.as_str() {
            "resolved" => (What::Attempt, Some(Failure::Resolved)),
            "unanswered" => (What::Attempt, Some(Failure::Unanswered)),
            "refused" => (What::Attempt, Some(Failure::Refused)),
            "checked" => (What::Check, None),
            "partial" => (What::Partial, None),
            "downloading" | "downloaded" => (What::Download, None),
            _ => return None,
        };
        let access = Access {
            who: who(self.client, self.client_id, self.client_mac),
            product: product(&self.vendor, &self.product),
            what,
            failure,
            start: parsed(&self.start)?,
            payload: self.payload_id.map(PayloadForm::words),
            evidence: texts(self.evidence),
            is_internal: self.via.is_some(),
            session: self.session.as_deref().map(text),
            revision: self.rev,
        };
        Some(Record::Access(text(&self.id), Box::new(access)))
    }
}

impl PayloadForm {
    fn words(self) -> String {
        text(&format!("{} {}", self.kind, self.value))
    }
}

impl SessionForm {
    fn read(self) -> Option<Record> {
        let what = match self.outcome.as_str() {
            _ if self.downloads > 0 => What::Download,
            "attempted" => What::Attempt,
            "checked" | "offered" => What::Check,
            "partial" => What::Partial,
            "downloaded" => What::Download,
            _ => return None,
        };
        let offered = match self.offered.as_str() {
            "yes" => Offered::Yes,
            "no" => Offered::No,
            "unknown" => Offered::Unknown,
            _ => return None,
        };
        let payloads = self.payload_ids.into_iter().take(MOST_ELEMENTS);
        let session = Session {
            who: who(self.client, self.client_id, self.client_mac),
            product: product(&self.vendor, &self.product),
            start: parsed(&self.start)?,
            // A server that was asked for and a check in one go are a check.
            what: if self.checks > 0 {
                what.max(What::Check)
            } else {
                what
            },
            offered,
            evidence: texts(self.offered_evidence),
            payloads: payloads.map(PayloadForm::words).collect(),
            os: self.os.map(OsForm::read),
            revision: self.rev,
        };
        Some(Record::Session(text(&self.id), Box::new(session)))
    }
}

impl OsForm {
    fn read(self) -> Os {
        Os {
            name: text(&self.name),
            version: self.version.as_deref().map(text),
            confidence: match self.confidence.as_deref() {
                Some("high") => 2,
                Some("medium") => 1,
                _ => 0,
            },
            is_mixed: self.mixed,
        }
    }
}

impl CoverageForm {
    fn read(self) -> Option<Record> {
        let seen = match self.verdict.as_str() {
            "complete" => Seen::Complete,
            "partial" => Seen::Partial,
            "cannot_tell" => Seen::Hidden,
            _ => return None,
        };
        let end = parsed(&self.end)?;
        let coverage = Coverage {
            who: who(self.client, self.client_id, self.client_mac),
            start: parsed(&self.start)?,
            end,
            reported: self.reported.as_deref().and_then(parsed).unwrap_or(end),
            active_minutes: self.active_minutes,
            seen,
            blind: texts(self.blind),
            os: self.os.map(OsForm::read),
        };
        Some(Record::Coverage(Box::new(coverage)))
    }
}

impl BindingForm {
    fn read(self) -> Option<Record> {
        let mac = mac(&self.mac)?;
        if self.router {
            return Some(Record::Router(mac));
        }
        let binding = Binding {
            who: who(self.client, self.client_id, Some(self.mac)),
            mac,
            names: texts(self.names),
            start: parsed(&self.start)?,
            end: parsed(&self.end)?,
        };
        Some(Record::Binding(Box::new(binding)))
    }
}

impl LossForm {
    fn read(self) -> Option<Record> {
        // How many frames were lost, coverage says of each client.
        if self.what == "frames" {
            return Some(Record::Other);
        }
        Some(Record::Loss(Loss {
            is_restart: self.what == "restart",
            start: parsed(&self.start)?,
            end: parsed(&self.end)?,
        }))
    }
}

fn who(address: IpAddr, id: Option<String>, mac_text: Option<String>) -> Who {
    Who {
        address: address.to_canonical(),
        id: id.as_deref().map(text),
        mac: mac_text.as_deref().and_then(mac),
    }
}

/// Six pairs of hex digits with colons between.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let is_pair =
            |part: &&str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        let part = parts.next().filter(is_pair)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

fn product(vendor: &str, product: &str) -> String {
    text(&format!("{vendor}/{product}"))
}

fn texts(list: Vec<String>) -> Vec<String> {
    let kept = list.iter().take(MOST_ELEMENTS);
    kept.map(|element| text(element)).collect()
}

/// Text as it may be shown: one line, nothing that a terminal or a page obeys, not too long.
pub(super) fn text(wire: &str) -> String {
    let text = harmless(wire).replace('\n', "\\n");
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_wire_is_one_harmless_line_of_bounded_length() {
        assert_eq!(
            text("a\u{202e}\n\u{1b}[1m\u{200b}"),
            "a\\u{202e}\\n\\u{1b}[1m\\u{200b}"
        );
        assert_eq!(text(&"字".repeat(1_000)).chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn a_mac_address_has_six_bytes() {
        assert_eq!(mac("02:00:5e:00:53:17"), Some([2, 0, 0x5e, 0, 0x53, 0x17]));
        for wrong in [
            "",
            "02:00:5e:00:53",
            "02:00:5e:00:53:17:18",
            "2:0:5e:0:53:17",
            "02:00:5e:00:53:+1",
        ] {
            assert_eq!(mac(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_record_that_lacks_something_is_refused() {
        let read = |line: &str| {
            let line: Line = serde_json::from_str(line).unwrap();
            line.into_record().map(|_| ())
        };
        assert_eq!(read("{}"), Err("no record: it has no event_type"));
        assert_eq!(
            read(r#"{"event_type":"update"}"#),
            Err("an update record lacks something")
        );
        assert_eq!(
            read(
                r#"{"event_type":"loss","loss":{"what":"restart","start":"yesterday","end":"today"}}"#
            ),
            Err("a loss record lacks something")
        );
        assert_eq!(read(r#"{"event_type":"dns","dns":7}"#), Ok(()));
    }
}
