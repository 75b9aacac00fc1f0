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
    let none = [
        b"status=\"noupdate\"".as_slice(),
        b"\"status\":\"noupdate\"",
    ];
    let offers = [
        b"<updatecheck status=\"ok\"".as_slice(),
        b"<manifest",
        b"\"manifest\"",
        b"\"nextversion\"",
        b"\"pipelines\"",
    ];
    let holds = |marks: &[&[u8]]| marks.iter().any(|mark| find(body, mark).is_some());
    holds(&none) && !holds(&offers)
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
                "{\"app\":[{\"status\":\"noupdate\"},{\"status\":\"ok\",\"manifest\":{}}]}",
                false,
            ),
            ("", false),
            ("nothing for you", false),
        ] {
            assert_eq!(offers_nothing(body.as_bytes()), nothing, "{body}");
        }
    }
}
