//! What small answers of update servers say on plain HTTP: whether they offer nothing.
//!
//! Known forms: Mozilla's `<updates></updates>`, and Omaha's `status="noupdate"` in XML or JSON, as Chrome, Edge and others use it.
//! Everything else says nothing: an unknown form is never taken for "no update".

use memchr::memmem::find;

/// Whether a whole body says that there is no update.
pub fn offers_nothing(body: &[u8]) -> bool {
    is_empty_list(body) || is_omaha_without_update(body)
}

/// `<updates></updates>`: a list of Mozilla's, without an `<update ...>`.
fn is_empty_list(body: &[u8]) -> bool {
    let begins = find(body, b"<updates").is_some();
    let is_whole = find(body, b"</updates>").is_some() || find(body, b"<updates/>").is_some();
    let mut rest = body;
    while let Some(at) = find(rest, b"<update") {
        rest = rest.get(at + b"<update".len()..).unwrap_or_default();
        if rest.first() != Some(&b's') {
            return false;
        }
    }
    begins && is_whole
}

/// Every application that was asked for has no update.
fn is_omaha_without_update(body: &[u8]) -> bool {
    let in_xml = is_each_without(body, b"<updatecheck", b'>');
    let in_json = is_each_without(body, b"\"updatecheck\"", b'}');
    in_xml.or(in_json).unwrap_or(false)
}

/// Whether `noupdate` stands between each `mark` and the next `end`; `None` without a mark.
fn is_each_without(body: &[u8], mark: &[u8], end: u8) -> Option<bool> {
    let mut rest = body;
    let mut all = None;
    while let Some(at) = find(rest, mark) {
        rest = rest.get(at + mark.len()..).unwrap_or_default();
        let length = memchr::memchr(end, rest).unwrap_or(rest.len());
        let says_none = find(rest.get(..length).unwrap_or_default(), b"noupdate").is_some();
        all = Some(all.unwrap_or(true) && says_none);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_forms_of_no_are_read() {
        for (body, nothing) in [
            ("<?xml version=\"1.0\"?>\n<updates>\n</updates>\n", true),
            ("<updates/>", true),
            (
                "<updates><update type=\"minor\" version=\"118\"/></updates>",
                false,
            ),
            ("<updates>", false),
            (
                "<response protocol=\"3.1\"><app><updatecheck status=\"noupdate\"/></app></response>",
                true,
            ),
            (
                "<app><updatecheck status=\"noupdate\"/></app><app><updatecheck status=\"ok\"><urls/></updatecheck></app>",
                false,
            ),
            (
                ")]}'\n{\"response\":{\"app\":[{\"updatecheck\":{\"status\":\"noupdate\"}}]}}",
                true,
            ),
            (
                "{\"app\":[{\"updatecheck\":{\"status\":\"noupdate\"}},{\"updatecheck\":{\"status\":\"ok\",\"manifest\":{}}}]}",
                false,
            ),
            ("", false),
            ("nothing for you", false),
        ] {
            assert_eq!(offers_nothing(body.as_bytes()), nothing, "{body}");
        }
    }
}
