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
            entries: std::mem::take(&mut self.root),
            known: Vec::new(),
        }
    }

    /// The table `name` of `parent`; an empty one where there is none.
    pub(super) fn section(&mut self, parent: &mut Section<'i>, name: &'static str) -> Section<'i> {
        let entries = match parent.take(name) {
            None => DeTable::new(),
            Some(value) => {
                let span = value.span();
                match value.into_inner() {
                    DeValue::Table(entries) => entries,
                    _ => {
                        let accepted = format!("a table: [{name}]");
                        self.refuse(span, parent.path(name), &accepted);
                        DeTable::new()
                    }
                }
            }
        };
        Section {
            name: parent.path(name),
            entries,
            known: Vec::new(),
        }
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
    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.entries.remove(key)
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}
