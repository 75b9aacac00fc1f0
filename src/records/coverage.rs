//! `coverage`: what could be seen of a client in an hour.

use super::binding::write_mac;
use super::header::write_address;
use super::time::TimeText;
use super::update::write_system;
use super::{Line, Style};
use crate::updates::coverage::HourOfClient;

/// Keys of the object `named`, in the order of [`crate::updates::coverage::Sums::named`].
const SOURCES: [&str; 6] = ["tls", "quic", "http", "dns", "dns_shared", "none"];

/// Writes the object of an hour; `client_id`: the host list's id of the client.
pub fn write_coverage(
    line: &mut Line<'_>,
    hour: &HourOfClient,
    client_id: Option<&str>,
    style: &Style,
    time: &mut TimeText,
) {
    let sums = &hour.sums;
    line.object("coverage", |line| {
        line.integer("v", 1);
        write_address(line, "client", hour.client, style);
        if let Some(id) = client_id {
            line.long_text("client_id", "client_id", id);
        }
        if let Some(mac) = hour.host.mac() {
            write_mac(line, "client_mac", mac);
        }
        for (key, moment) in [
            ("start", hour.start),
            ("end", hour.end),
            ("reported", hour.reported),
        ] {
            line.raw(key, |buffer| time.push_quoted(buffer, moment));
        }
        line.integer("active_minutes", hour.active_minutes.into());
        line.integer("flows", sums.flows.into());
        line.integer("bytes_toclient", sums.bytes_toclient);
        line.object("named", |line| {
            for (key, flows) in SOURCES.into_iter().zip(sums.named) {
                line.integer(key, flows.into());
            }
        });
        line.list("blind", |line| {
            let words = hour.blind.iter();
            words.for_each(|word| line.element_text(word.as_str()));
        });
        line.thousandths("loss_percent", hour.loss.into());
        line.thousandths("onesided_percent", hour.onesided.into());
        line.text("verdict", hour.verdict.as_str());
        if let Some(os) = &hour.os {
            write_system(line, os);
        }
    });
}
