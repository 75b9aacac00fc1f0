//! `client_binding`.

use super::header::write_address;
use super::time::TimeText;
use super::{Line, Style};
use crate::updates::output::Binding;

/// Most names of a host.
const MAX_NAMES: usize = 4;

/// Writes the kind's own object; `client_id`: the host list's id of the client.
pub fn write_binding(
    line: &mut Line<'_>,
    binding: &Binding,
    client_id: Option<&str>,
    style: &Style,
    time: &mut TimeText,
) {
    line.object("client_binding", |line| {
        line.integer("v", 1);
        write_address(line, "client", binding.client, style);
        if let Some(id) = client_id {
            line.long_text("client_id", "client_id", id);
        }
        write_mac(line, "mac", binding.mac);
        if !binding.names.is_empty() {
            line.list("names", |line| {
                let names = binding.names.iter().take(MAX_NAMES);
                names.for_each(|name| line.element_text(name));
            });
        }
        line.text("source", binding.source.as_str());
        line.raw("start", |buffer| time.push_quoted(buffer, binding.start));
        line.raw("end", |buffer| time.push_quoted(buffer, binding.end));
        if binding.is_ongoing {
            line.boolean("ongoing", true);
        }
        if binding.is_router {
            line.boolean("router", true);
        }
        if binding.is_nat {
            line.boolean("nat", true);
        }
    });
}

/// Writes a MAC address.
pub fn write_mac(line: &mut Line<'_>, key: &str, mac: [u8; 6]) {
    let [a, b, c, d, e, f] = mac;
    line.display(
        key,
        format_args!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
    );
}
