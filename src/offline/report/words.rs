//! The words of a report in each language: `words/LANGUAGE.json`, all with the same keys and the same places to fill.

use std::collections::BTreeMap;

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Japanese.
    Japanese,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// Its tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::English => include_str!("words/en.json"),
            Self::Japanese => include_str!("words/ja.json"),
        }
    }
}

/// The words of a language.
#[derive(Debug)]
pub struct Words {
    /// Which.
    pub language: Language,
    words: BTreeMap<String, String>,
}

impl Words {
    /// Those of `language`.
    pub fn of(language: Language) -> Self {
        // The file is part of the program; a test holds that it can be read.
        let words = serde_json::from_str(language.file()).unwrap_or_default();
        Self { language, words }
    }

    /// The word of a key; the key itself where there is none, which a test holds never to happen.
    pub fn say<'a>(&'a self, key: &'a str) -> &'a str {
        self.find(key).unwrap_or(key)
    }

    /// The word of a key that may come from a record.
    pub fn find(&self, key: &str) -> Option<&str> {
        self.words.get(key).map(String::as_str)
    }

    /// The same, with `{name}` filled. What is filled in is not looked into again.
    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut filled = String::new();
        let mut rest = self.say(key);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                filled.push('{');
                rest = after;
                continue;
            };
            let value = values.iter().find(|(known, _)| *known == name);
            filled.push_str(value.map_or("", |(_, value)| value));
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }

    /// `1 day`, `3 days`: `what` is `days`, `hours`, `records` or `hosts`.
    pub fn count(&self, what: &str, number: u64) -> String {
        let form = if number == 1 { "one" } else { "many" };
        self.fill(&format!("{what}.{form}"), &[("n", &number.to_string())])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Keys, each with the places that it has.
    fn shape(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let places = |text: &String| -> BTreeSet<String> {
            let after = text.split('{').skip(1);
            after
                .map(|part| part.split('}').next().unwrap().to_owned())
                .collect()
        };
        let words = Words::of(language).words;
        words
            .iter()
            .map(|(key, text)| (key.clone(), places(text)))
            .collect()
    }

    #[test]
    fn every_language_has_the_same_keys_with_the_same_places() {
        let english = shape(Language::English);
        assert!(english.len() > 100);
        for language in Language::ALL {
            assert_eq!(shape(language), english, "{language:?}");
            assert!(
                Words::of(language)
                    .words
                    .values()
                    .all(|text| !text.trim().is_empty())
            );
        }
    }

    #[test]
    fn what_is_filled_in_is_not_looked_into_again() {
        let words = Words::of(Language::English);
        assert_eq!(
            words.fill("active_until", &[("at", "{at} {x")]),
            "last active {at} {x"
        );
    }
}
