//! Finds the paths of a Rust file, its tests left out: imports spelled out, aliases and `super` resolved.
//!
//! It reads tokens, not syntax: comments and strings are gone, macros and attributes are looked into. A name that is imported holds for
//! the whole file, wherever in it the import stands.

use std::collections::{BTreeSet, HashMap};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path as it stands in a file, from its root: `crate`, or the name of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) line: usize,
    /// `a::b::c`; a macro ends in `!`; the keyword `unsafe` stands for itself.
    pub(crate) path: String,
}

/// Every path in `text`, which is the module `module` (`["decode", "ip"]`); `modules` are all modules of the crate, as `decode::ip`.
pub(crate) fn find(text: &str, module: &[String], modules: &BTreeSet<String>) -> Vec<Found> {
    let tokens: TokenStream = text.parse().expect("a Rust file");
    let mut finder = Finder {
        module: module.to_vec(),
        modules,
        aliases: HashMap::new(),
        raw: Vec::new(),
    };
    finder.walk(tokens);
    let resolve = |raw: &Raw| Found {
        line: raw.line,
        path: finder.resolve(raw).join("::"),
    };
    finder.raw.iter().map(resolve).collect()
}

/// A path as written.
#[derive(Clone, Debug)]
struct Raw {
    line: usize,
    module: Vec<String>,
    /// The first is empty where the path begins with `::`.
    segments: Vec<String>,
}

struct Finder<'m> {
    module: Vec<String>,
    modules: &'m BTreeSet<String>,
    aliases: HashMap<String, Raw>,
    raw: Vec<Raw>,
}

impl Finder<'_> {
    fn walk(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let Some(first) = rest.first() {
            rest = match first {
                TokenTree::Punct(punct) if punct.as_char() == '#' && is_test_only(rest) => {
                    after_item(rest)
                }
                TokenTree::Ident(word) if word == "use" => self.import(&rest[1..]),
                TokenTree::Ident(word) if word == "mod" => self.inline_module(rest),
                TokenTree::Punct(punct) if punct.as_char() == '.' => after_dot(rest),
                TokenTree::Group(group) => {
                    self.walk(group.stream());
                    &rest[1..]
                }
                _ => self.path(rest),
            };
        }
    }

    /// `mod name { ... }`; `mod name;` is a file of its own.
    fn inline_module<'t>(&mut self, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        if let [_, TokenTree::Ident(name), TokenTree::Group(body), ..] = tokens {
            self.module.push(name.to_string());
            self.walk(body.stream());
            self.module.pop();
            return &tokens[3..];
        }
        &tokens[1..]
    }

    /// What follows `use`, up to its semicolon.
    fn import<'t>(&mut self, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        // `+ use<>` in a type is no import.
        if is_punct(tokens.first(), '<') {
            return tokens;
        }
        let length = tokens.iter().position(|token| is_punct(Some(token), ';'));
        let length = length.unwrap_or(tokens.len());
        self.tree(&tokens[..length], &[]);
        &tokens[length..]
    }

    /// One tree of an import: a path, a group of trees, a renamed name or a glob.
    fn tree(&mut self, tokens: &[TokenTree], prefix: &[String]) {
        let mut segments = prefix.to_vec();
        let mut at = tokens;
        if prefix.is_empty() && is_separator(at) {
            segments.push(String::new());
            at = &at[2..];
        }
        loop {
            match at {
                [TokenTree::Group(group), ..] => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    let parts = inner.split(|token| is_punct(Some(token), ','));
                    parts.for_each(|part| self.tree(part, &segments));
                    return;
                }
                [TokenTree::Ident(word), rest @ ..] if is_separator(rest) => {
                    segments.push(word.to_string());
                    at = &rest[2..];
                }
                [last, rest @ ..] => return self.leaf(last, rest, segments),
                [] => return,
            }
        }
    }

    /// The end of an import, perhaps with `as`.
    fn leaf(&mut self, last: &TokenTree, rest: &[TokenTree], mut segments: Vec<String>) {
        if last.to_string() != "self" {
            segments.push(last.to_string());
        }
        let name = match rest {
            [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "as" => name.to_string(),
            _ => segments.last().cloned().unwrap_or_default(),
        };
        let raw = self.raw(last, segments);
        self.aliases.insert(name, raw.clone());
        self.raw.push(raw);
    }

    /// A path in code; anything else is passed over.
    fn path<'t>(&mut self, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        let Some(first) = tokens.first() else {
            return tokens;
        };
        let mut segments = Vec::new();
        let mut at = tokens;
        if is_separator(at) {
            segments.push(String::new());
            at = &at[2..];
        }
        while let [TokenTree::Ident(word), rest @ ..] = at {
            segments.push(word.to_string());
            at = rest;
            match rest {
                [_, _, TokenTree::Ident(_), ..] if is_separator(rest) => at = &rest[2..],
                _ => break,
            }
        }
        if let [TokenTree::Punct(mark), TokenTree::Group(_), ..] = at
            && mark.as_char() == '!'
            && let Some(last) = segments.last_mut()
        {
            last.push('!');
        }
        if segments.is_empty() {
            return &tokens[1..];
        }
        let raw = self.raw(first, segments);
        self.raw.push(raw);
        at
    }

    fn raw(&self, at: &TokenTree, segments: Vec<String>) -> Raw {
        Raw {
            line: at.span().start().line,
            module: self.module.clone(),
            segments,
        }
    }

    fn resolve(&self, raw: &Raw) -> Vec<String> {
        let first = raw.segments.first().map_or("", String::as_str);
        let alone = raw.segments.len() == 1;
        match self.aliases.get(first.trim_end_matches('!')) {
            // The import has been reported where it stands.
            Some(import) if import.segments != raw.segments => {
                let mut path = self.rooted(import);
                if first.ends_with('!') && alone {
                    path.last_mut().into_iter().for_each(|last| last.push('!'));
                }
                path.extend_from_slice(&raw.segments[1..]);
                path
            }
            _ => self.rooted(raw),
        }
    }

    fn rooted(&self, raw: &Raw) -> Vec<String> {
        let mut module = raw.module.clone();
        let mut segments = raw.segments.as_slice();
        match segments.first().map(String::as_str) {
            Some("") => return segments[1..].to_vec(),
            Some("crate") => return segments.to_vec(),
            Some("self") => segments = &segments[1..],
            Some("super") => {
                while let Some((_, rest)) = segments.split_first().filter(|(s, _)| *s == "super") {
                    module.pop();
                    segments = rest;
                }
            }
            Some(first) => {
                let child = [module.as_slice(), &[first.to_owned()]].concat().join("::");
                if !self.modules.contains(&child) {
                    return segments.to_vec();
                }
            }
            None => return Vec::new(),
        }
        let root = std::iter::once("crate".to_owned());
        root.chain(module).chain(segments.iter().cloned()).collect()
    }
}

/// Whether an attribute begins here that keeps its item for tests.
fn is_test_only(tokens: &[TokenTree]) -> bool {
    let Some(TokenTree::Group(group)) = tokens.get(1) else {
        return false;
    };
    let words: String = group.stream().into_iter().map(|t| t.to_string()).collect();
    words == "cfg(test)"
}

/// What follows the item that begins here: its body in braces, or its semicolon.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => is_punct(Some(other), ';'),
    };
    let end = tokens.iter().position(ends);
    &tokens[end.map_or(tokens.len(), |at| at + 1)..]
}

/// A field or a method begins no path; the end of a range may.
fn after_dot(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [_, second, rest @ ..] if is_punct(Some(second), '.') => rest,
        [_, TokenTree::Ident(_), rest @ ..] => rest,
        _ => &tokens[1..],
    }
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), ':') && is_punct(tokens.get(1), ':')
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}
