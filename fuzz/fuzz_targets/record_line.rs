//! Any fields in any nesting: always one line of ASCII that JSON readers take, never too long.
//!
//! Input: fields: kind (1 byte), then what it holds (bytes behind their length, or a number).
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::records::Line;
use patchspan::types::text::presentation;
use patchspan_fuzz::{Pieces, line};

const DEEPEST: usize = 6;
/// Fields outside of lists: no kind of record has more, and nothing limits them.
const MOST: usize = 40;
const KEYS: [&str; 4] = ["a", "url", "some_key", "another_key_with_a_longer_name"];

fuzz_target!(|bytes: &[u8]| {
    let value = line(|line| {
        let (mut input, mut room) = (Pieces(bytes), MOST);
        while !input.is_empty() && room > 0 {
            fields(line, &mut input, 0, &mut room);
        }
        line.object("patchspan", Line::cuts);
    });
    assert!(value.get("patchspan").is_some());
    // Whatever was cut, a value is the start of what it was, and says so.
    let value = line(|line| {
        line.wire("wire", "wire", bytes);
        line.object("patchspan", Line::cuts);
    });
    let written = value["wire"].as_str().expect("text");
    let whole = presentation(bytes);
    assert!(whole.starts_with(written));
    let is_told = value["patchspan"].get("cut").is_some();
    assert_eq!(written.len() < whole.len(), is_told);
});

/// Fields up to the end of an object.
fn fields(line: &mut Line<'_>, input: &mut Pieces<'_>, depth: usize, room: &mut usize) {
    while !input.is_empty() && *room > 0 {
        *room -= 1;
        let kind = input.byte();
        let key = KEYS[usize::from(kind >> 4 & 3)];
        match kind % 12 {
            0 => return,
            1 => line.wire(key, key, input.piece()),
            2 => line.url(key, key, input.piece()),
            3 => line.text(key, &String::from_utf8_lossy(input.piece())),
            4 => line.long_text(key, key, &presentation(input.piece())),
            5 => line.integer(key, u64::from(input.integer32()) << (kind >> 2)),
            6 => line.thousandths(key, u64::from(input.integer32()) << (kind >> 2)),
            7 => line.boolean(key, kind & 0x80 != 0),
            8 if depth < DEEPEST => line.object(key, |line| fields(line, input, depth + 1, room)),
            9 if depth < DEEPEST => line.list(key, |line| elements(line, input, depth + 1)),
            10 => line.display(key, input.integer32()),
            _ => line.note_cut(key, 1, usize::from(input.byte())),
        }
    }
}

/// Elements up to the end of a list.
fn elements(line: &mut Line<'_>, input: &mut Pieces<'_>, depth: usize) {
    while !input.is_empty() {
        match input.byte() % 6 {
            0 => return,
            1 => line.element_text(&String::from_utf8_lossy(input.piece())),
            2 => line.element_wire(input.piece()),
            3 => line.element_integer(u64::from(input.integer32()) << 24),
            4 if depth < DEEPEST => {
                line.element_object(|line| fields(line, input, depth + 1, &mut MOST.clone()))
            }
            _ => line.element_display(input.byte()),
        }
    }
}
