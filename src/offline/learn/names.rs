//! Names of servers: whose they are, what they are made of, and one pattern for many.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::updates::catalogue::pattern::NamePattern;

/// Names that a pattern with a whole label open must stand for.
const FEWEST_SHARDS: usize = 3;
/// Ends of names that never leave a network, or are no server's.
const NOWHERE: [&str; 9] = [
    "arpa",
    "local",
    "localhost",
    "localdomain",
    "lan",
    "internal",
    "home",
    "invalid",
    "onion",
];

/// A name in the form of the catalogue; `None` where no pattern could stand for it, or it is no server's on another network.
pub fn nameable(text: &str) -> Option<Cow<'_, str>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let text: Cow<'_, str> = match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => text.to_ascii_lowercase().into(),
        false => text.into(),
    };
    if text.len() > 253 || text.contains('*') || NamePattern::parse(&text).is_err() {
        return None;
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    (!is_address && !NOWHERE.contains(&last)).then_some(text)
}

/// The domain that one owner registered: the public suffix and one label more. The whole name where it has no more than a suffix.
pub fn registered(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

/// Whether a name is the domain itself that its owner registered, as a web site's is: not one of a hoster's many.
pub fn is_bare(name: &str) -> bool {
    let is_hosters =
        psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.typ() == Some(psl::Type::Private));
    registered(name) == name && !is_hosters
}

/// What stands before the public suffix.
pub fn own_part(name: &str) -> &str {
    let suffix = psl::suffix_str(name).map_or(0, str::len);
    let end = name.len().saturating_sub(suffix);
    name.get(..end).unwrap_or(name).trim_end_matches('.')
}

/// The runs of letters of a name before its public suffix.
pub fn words(name: &str) -> impl Iterator<Item = &str> {
    own_part(name)
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
}

/// A name with a star for each run of digits.
pub fn shape(name: &str) -> String {
    let mut shape = String::with_capacity(name.len());
    let fixed = name.len() - registered(name).len();
    for (at, letter) in name.char_indices() {
        match letter.is_ascii_digit() && at < fixed {
            true if shape.ends_with('*') => {}
            true => shape.push('*'),
            false => shape.push(letter),
        }
    }
    shape
}

/// How many letters must be changed, put in or left out; `most + 1` where it is more than `most`.
pub fn distance(one: &str, other: &str, most: usize) -> usize {
    if one.len().abs_diff(other.len()) > most {
        return most + 1;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate() {
        let mut before = at;
        let mut left = at + 1;
        for (place, theirs) in row.iter_mut().skip(1).zip(other.bytes()) {
            let above = *place;
            let changed = before + usize::from(letter != theirs);
            left = changed.min(above + 1).min(left + 1);
            before = above;
            *place = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().map_or(0, |last| (*last).min(most + 1))
}

/// Names that are shards of one server together, each group with its pattern. `is_other` tells whether a pattern would also match what
/// belongs elsewhere: then names stand for themselves.
pub fn patterns<'n>(
    names: impl IntoIterator<Item = &'n str>,
    is_other: impl Fn(&NamePattern) -> bool,
) -> Vec<(String, Vec<&'n str>)> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut domains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        groups.entry(shape(name)).or_default().push(name);
        domains.entry(registered(name)).or_default().push(name);
    }
    // Names of another form that a star would match as well.
    let is_wide = |glob: &NamePattern, names: &[&str]| {
        let domain = names.first().and_then(|name| domains.get(registered(name)));
        let beside = domain.into_iter().flatten();
        beside.filter(|name| glob.matches(name)).count() > names.len()
    };
    let mut single: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for (shape, names) in groups {
        let fits = names.len() > 1
            && NamePattern::parse(&shape)
                .is_ok_and(|glob| !is_other(&glob) && !is_wide(&glob, &names));
        if fits {
            found.push((shape, names));
            continue;
        }
        for name in names {
            let parent = name.split_once('.').map_or("", |(_, parent)| parent);
            let label = name.split('.').next().unwrap_or_default();
            let has_owner = parent.len() >= registered(name).len();
            let key = if is_opaque(label) && has_owner {
                parent
            } else {
                name
            };
            single.entry(key).or_default().push(name);
        }
    }
    for (key, names) in single {
        let suffix = NamePattern::Suffix(key.to_owned());
        if names.len() >= FEWEST_SHARDS && !names.contains(&key) && !is_other(&suffix) {
            found.push((suffix.to_string(), names));
        } else {
            found.extend(names.into_iter().map(|name| (name.to_owned(), vec![name])));
        }
    }
    found.sort();
    found
}

/// Whether a label is a number or an id rather than a word.
pub fn is_opaque(label: &str) -> bool {
    let digits = label.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = label.len() >= 8 && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits * 3 >= label.len() || is_hex || (label.len() >= 10 && digits >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<(String, usize)> {
        let found = patterns(names.iter().copied(), |_| false);
        found
            .into_iter()
            .map(|(pattern, names)| (pattern, names.len()))
            .collect()
    }

    #[test]
    fn the_owner_of_a_name_is_found_below_its_public_suffix() {
        assert_eq!(registered("ftp.example.ac.jp"), "example.ac.jp");
        assert_eq!(registered("a.b.example.com"), "example.com");
        assert_eq!(registered("files.example.co.uk"), "example.co.uk");
        assert_eq!(registered("com"), "com");
        assert_eq!(
            words("dl-7.update2.example.co.jp").collect::<Vec<_>>(),
            ["dl", "update", "example"]
        );
    }

    #[test]
    fn only_names_that_a_pattern_can_stand_for_are_taken() {
        assert_eq!(
            nameable("AUS5.Mozilla.Org.").as_deref(),
            Some("aus5.mozilla.org")
        );
        for wrong in [
            "",
            "localhost",
            "printer.local",
            "1.2.0.192.in-addr.arpa",
            "192.0.2.1",
            "a\\032b.example",
            "*.example.com",
            "x..example",
        ] {
            assert_eq!(nameable(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbered_names_become_one_pattern() {
        assert_eq!(
            of(&["dl-7.example.com", "dl-12.example.com", "www.example.com"]),
            [
                ("dl-*.example.com".to_owned(), 2),
                ("www.example.com".to_owned(), 1)
            ]
        );
        assert_eq!(
            of(&["dl-7.example.com"]),
            [("dl-7.example.com".to_owned(), 1)]
        );
    }

    #[test]
    fn shards_become_a_suffix_unless_that_catches_others() {
        let shards = [
            "r3---sn-ab5l6n.gvt1.example",
            "r1---sn-q4fl6nz7.gvt1.example",
            "r5---sn-4g5ednsd.gvt1.example",
        ];
        assert_eq!(of(&shards[..2]).len(), 2);
        assert_eq!(of(&shards), [("*.gvt1.example".to_owned(), 3)]);
        let other = patterns(shards, |pattern| pattern.matches("www.gvt1.example"));
        assert_eq!(other.len(), 3);
        // A star that also matches a name of another form says too much.
        assert_eq!(
            of(&["a1.example.com", "a2.example.com", "ab3c.example.com"]).len(),
            3
        );
    }

    #[test]
    fn a_distance_counts_changes() {
        for (one, other, away) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "xabc", 1),
            ("kitten", "sitting", 3),
            ("short", "a longer one", 4),
        ] {
            assert_eq!(distance(one, other, 3), away, "{one} {other}");
            assert_eq!(distance(other, one, 3), away, "{other} {one}");
        }
    }
}
