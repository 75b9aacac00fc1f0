//! A TOML file, walked key by key.
//!
//! Whoever reads a section takes the settings that it knows; what is left over is unknown. All errors are collected, none ends
//! the walk.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::errors::{ConfigError, Problem, nearest, place, shown};
use super::forms::Form;

/// A file that is being read.
pub(super) struct Document<'i> {
    text: &'i str,
    root: DeTable<'i>,
    errors: Vec<(usize, ConfigError)>,
    /// It is no TOML: what is left over in a table may belong to another one.
    is_damaged: bool,
    /// Every key that was asked for, with its tables.
    asked: Vec<String>,
}

/// A table of the file. The root has an empty name.
pub(super) struct Section<'i> {
    name: String,
    /// Where it begins.
    at: usize,
    entries: DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'i> Document<'i> {
    pub(super) fn new(text: &'i str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document = Self {
            text,
            root: root.into_inner(),
            errors: Vec::new(),
            is_damaged: !errors.is_empty(),
            asked: Vec::new(),
        };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().to_owned();
            document.fail(at, String::new(), Problem::Syntax(message));
        }
        document
    }

    /// The settings outside of any table, and the tables.
    pub(super) fn root(&mut self) -> Section<'i> {
        Section {
            name: String::new(),
            at: 0,
            entries: std::mem::take(&mut self.root),
            known: Vec::new(),
        }
    }

    /// The table `name` of `parent`; an empty one where there is none.
    pub(super) fn section(&mut self, parent: &mut Section<'i>, name: &'static str) -> Section<'i> {
        let path = parent.path(name);
        match parent.take(name) {
            None => Section {
                name: path,
                at: 0,
                entries: DeTable::new(),
                known: Vec::new(),
            },
            Some(value) => self.table(value, path, &format!("a table: [{name}]")),
        }
    }

    /// The tables `[[name]]` of `parent`, at most `most`; `None` where there is no such key.
    pub(super) fn tables(
        &mut self,
        parent: &mut Section<'i>,
        name: &'static str,
        most: usize,
    ) -> Option<Vec<Section<'i>>> {
        let path = parent.path(name);
        let value = parent.take(name)?;
        let span = value.span();
        let accepted = format!("at most {most} tables: [[{name}]]");
        let values = match value.into_inner() {
            DeValue::Array(values) if values.len() <= most => values,
            _ => {
                self.refuse(span, path, &accepted);
                return None;
            }
        };
        let tables = values.into_iter().enumerate();
        let read = tables
            .map(|(index, value)| self.table(value, format!("{path}[{index}]"), &accepted))
            .collect();
        Some(read)
    }

    fn table(&mut self, value: Spanned<DeValue<'i>>, name: String, accepted: &str) -> Section<'i> {
        let span = value.span();
        let at = span.start;
        let entries = match value.into_inner() {
            DeValue::Table(entries) => entries,
            _ => {
                self.refuse(span, name.clone(), accepted);
                DeTable::new()
            }
        };
        Section {
            name,
            at,
            entries,
            known: Vec::new(),
        }
    }

    /// Refuses an empty list; `accepted` is what it should be.
    pub(super) fn refuse_empty(&mut self, section: &Section<'i>, key: &str, accepted: &str) {
        let Some(value) = section.entries.get(key) else {
            return;
        };
        let is_empty = matches!(value.get_ref(), DeValue::Array(values) if values.is_empty());
        if is_empty {
            self.refuse(value.span(), section.path(key), accepted);
        }
    }

    /// Tells that `key` has to be in the section.
    pub(super) fn miss(&mut self, section: &Section<'i>, key: &'static str, why: &str) {
        if !self.is_damaged {
            self.fail(
                section.at,
                section.path(key),
                Problem::Missing(why.to_owned()),
            );
        }
    }

    /// Tells that `key`, where it is there, is a setting of other tables: of `kinds`.
    pub(super) fn misplace(&mut self, section: &mut Section<'i>, key: &'static str, kinds: &str) {
        if let Some(value) = section.take(key) {
            let problem = Problem::Misplaced(kinds.to_owned());
            self.fail(value.span().start, section.path(key), problem);
        }
    }

    /// Tells that the value of `key`, which stands at `at`, is that of `other` too.
    pub(super) fn repeat(&mut self, at: usize, key: String, other: String) {
        self.fail(at, key, Problem::Twice(other));
    }

    /// Tells that the value of `key`, which stands at `at`, does not go with another one: `what`.
    pub(super) fn clash(&mut self, at: usize, key: String, what: String) {
        self.fail(at, key, Problem::Clash(what));
    }

    /// Sets `setting` where the section has the key.
    pub(super) fn set<T>(
        &mut self,
        section: &mut Section<'i>,
        key: &'static str,
        form: &Form<T>,
        setting: &mut T,
    ) {
        self.asked.push(section.path(key));
        let Some(value) = section.take(key) else {
            return;
        };
        match form.read(value.get_ref()) {
            Some(read) => *setting = read,
            None => self.refuse(value.span(), section.path(key), form.accepted()),
        }
    }

    /// Sets `setting` where the section has the key with a list of at most `most` values.
    pub(super) fn set_list<T>(
        &mut self,
        section: &mut Section<'i>,
        key: &'static str,
        most: usize,
        form: &Form<T>,
        setting: &mut Vec<T>,
    ) {
        self.asked.push(section.path(key));
        let Some(value) = section.take(key) else {
            return;
        };
        let path = section.path(key);
        let accepted = format!("a list of at most {most} values, each {}", form.accepted());
        let values = match value.get_ref() {
            DeValue::Array(values) if values.len() <= most => values,
            _ => return self.refuse(value.span(), path, &accepted),
        };
        setting.clear();
        for (index, value) in values.iter().enumerate() {
            match form.read(value.get_ref()) {
                Some(read) => setting.push(read),
                None => self.refuse(value.span(), format!("{path}[{index}]"), form.accepted()),
            }
        }
    }

    /// What is left in the section is unknown.
    pub(super) fn end(&mut self, section: Section<'i>) {
        if self.is_damaged {
            return;
        }
        for (key, value) in &section.entries {
            let nearest = nearest(key.get_ref(), section.known.iter().copied());
            let is_table = matches!(value.get_ref(), DeValue::Table(_));
            let problem = Problem::UnknownKey {
                nearest: nearest.map(|key| section.path(key)),
                is_table,
            };
            let path = section.path(&shown(key.get_ref()));
            self.fail(key.span().start, path, problem);
        }
    }

    /// Every error, in the order of their places.
    pub(super) fn into_errors(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|(at, _)| *at);
        self.errors.into_iter().map(|(_, error)| error).collect()
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &[String] {
        &self.asked
    }

    fn refuse(&mut self, span: Range<usize>, key: String, accepted: &str) {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let problem = Problem::Value {
            value: shown(written),
            accepted: accepted.to_owned(),
        };
        self.fail(span.start, key, problem);
    }

    fn fail(&mut self, at: usize, key: String, problem: Problem) {
        let error = ConfigError {
            place: Some(place(self.text, at)),
            key,
            problem,
        };
        self.errors.push((at, error));
    }
}

impl<'i> Section<'i> {
    /// Where the value of `key` stands; where there is none, where the section begins.
    pub(super) fn place_of(&self, key: &str) -> usize {
        self.entries
            .get(key)
            .map_or(self.at, |value| value.span().start)
    }

    /// Leaves `key` out of what is told.
    pub(super) fn forget(&mut self, key: &'static str) {
        self.take(key);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.entries.remove(key)
    }

    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}
