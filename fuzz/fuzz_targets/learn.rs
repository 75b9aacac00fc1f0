//! Any text as an actions file, any bytes as records and as an earlier lesson: errors have their line, counts agree, what is written is
//! read again, and is harmless to a terminal.
//!
//! Input: an actions file, a byte 0, records, a byte 0, an earlier lesson.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use patchspan::offline::learn::against::Earlier;
use patchspan::offline::learn::observed::{Kind, Pc};
use patchspan::offline::learn::{Learner, Options, actions, fragment, table};
use patchspan::source::capture::Input;
use patchspan::updates::Catalogue;
use patchspan::updates::catalogue::SourceFile;
use patchspan_fuzz::is_harmless;

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::from_files("", &[]).expect("nothing is right"));

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let [text, records, earlier] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let text = String::from_utf8_lossy(text);
    let actions = actions::parse(&text, &jiff::tz::TimeZone::UTC).unwrap_or_else(|errors| {
        assert!((1..=20).contains(&errors.len()));
        let lines = text.matches(['\n', '\r']).count() as u64 + 1;
        for error in errors {
            assert!(error.line <= lines);
            is_harmless(&error.to_string());
        }
        Vec::new()
    });
    assert!(actions.is_sorted_by_key(|action| action.time));
    let pc = |kind, last| Pc {
        kind,
        addresses: vec![[192, 0, 2, last].into()],
    };
    let mut learner = Learner::new(Options {
        pcs: vec![pc(Kind::Auto, 20), pc(Kind::Manual, 21)],
        actions,
        window: Duration::from_secs(300),
        large: 256 << 10,
        without: Default::default(),
        least: -1_000,
        top: 1_000,
    });
    let input = Input::new(Cursor::new(records.to_vec()));
    learner.read(input).expect("memory can be read");
    let lesson = learner.conclude(&CATALOGUE);
    assert!(lesson.figures.names >= lesson.figures.patterns);
    for found in &lesson.candidates {
        let sum: i32 = found.evidence.iter().map(|one| one.points).sum();
        assert_eq!(found.score, sum);
    }
    // A file of the catalogue, whatever stood on the wire.
    let file = SourceFile {
        name: "learned.toml".to_owned(),
        text: fragment::toml(&lesson, None, &CATALOGUE),
    };
    let read = Catalogue::from_files("", std::slice::from_ref(&file));
    let read = read.unwrap_or_else(|errors| panic!("{errors:?}\n{}", file.text));
    assert_eq!(read.len(), lesson.candidates.len());
    table::text(&lesson, None).lines().for_each(is_harmless);
    // It differs from itself in nothing.
    let own = Earlier::parse(lesson.json(None).as_bytes()).expect("what is written is read");
    assert_eq!(own.changes(&lesson), []);
    if let Ok(earlier) = Earlier::parse(earlier) {
        let changes = earlier.changes(&lesson);
        serde_json::to_string(&lesson.json(Some(&changes))).expect("JSON");
    }
});
