//! What clients and servers say, as it may be written: where clients have pseudonyms, their addresses and names are replaced in it.
//!
//! Every text from the wire comes through here before it is written or handed on. DNS messages are written anew before they are read.

use std::borrow::Cow;

use super::annotation::ActivityParts;
use super::worker::Core;
use crate::protocols::http;
use crate::pseudonyms::Pseudonyms;
use crate::pseudonyms::names::Keep;

impl Core {
    /// Any text.
    pub(super) fn reworded<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        self.by(text, Pseudonyms::text)
    }

    /// A URL.
    pub(super) fn reworded_url<'t>(&self, url: &'t [u8]) -> Cow<'t, [u8]> {
        self.by(url, Pseudonyms::url)
    }

    /// The name of a host, or an address in its place.
    pub(super) fn reworded_host<'t>(&self, host: &'t [u8]) -> Cow<'t, [u8]> {
        self.by(host, Pseudonyms::host)
    }

    /// The same of a name in presentation form.
    pub(super) fn reworded_name(&self, name: String) -> String {
        match self.reworded_host(name.as_bytes()) {
            Cow::Borrowed(_) => name,
            Cow::Owned(other) => String::from_utf8_lossy(&other).into_owned(),
        }
    }

    /// Several texts.
    pub(super) fn reworded_list<'t>(&self, texts: &'t [Vec<u8>]) -> Cow<'t, [Vec<u8>]> {
        if self.settings.pseudonyms.is_none() {
            return Cow::Borrowed(texts);
        }
        let reworded = texts.iter().map(|text| self.reworded(text).into_owned());
        Cow::Owned(reworded.collect())
    }

    /// What went over HTTP: its path may become a part of a record.
    pub(super) fn reworded_activity(&self, mut activity: ActivityParts) -> ActivityParts {
        if let Some(exchange) = &mut activity.exchange
            && let Cow::Owned(path) = self.reworded(&exchange.path)
        {
            exchange.path = path;
        }
        activity
    }

    /// An HTTP connection, as it may be kept for the next run.
    pub(super) fn reworded_http(&self, connection: &http::Connection) -> http::Connection {
        let connection = connection.clone();
        if self.settings.pseudonyms.is_none() {
            return connection;
        }
        connection.reworded(&mut |text| {
            if let Cow::Owned(other) = self.reworded_url(text) {
                *text = other;
            }
        })
    }

    /// A DNS message written anew, in the buffer that [`Core`] keeps for it; `None` where nobody has a pseudonym.
    pub(super) fn reworded_message(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut written = std::mem::take(&mut self.message);
        let pseudonyms = self.settings.pseudonyms.as_ref()?;
        let message = pseudonyms.message(bytes, &|name| self.keeps(name), &mut written);
        // What cannot be read is counted as such, and nothing of it is written.
        if message.is_none() {
            written.clear();
        }
        Some(written)
    }

    fn by<'t>(
        &self,
        text: &'t [u8],
        reword: impl Fn(&Pseudonyms, &[u8], Keep<'_>) -> Option<Vec<u8>>,
    ) -> Cow<'t, [u8]> {
        let pseudonyms = self.settings.pseudonyms.as_deref();
        let other =
            pseudonyms.and_then(|pseudonyms| reword(pseudonyms, text, &|name| self.keeps(name)));
        other.map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// Servers of updates keep their names, wherever they lie.
    fn keeps(&self, name: &str) -> bool {
        self.catalogue.knows(name)
    }
}
