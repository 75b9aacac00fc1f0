//! Which product an access is of, what else it may be of, and how far it is trusted for that.

use super::OpenAccess;
use crate::updates::catalogue::{Catalogue, Endpoint, Product, Role};
use crate::updates::fact::NameSource;
use crate::updates::verdict::{Confidence, Verdict};

impl OpenAccess {
    /// Whether a path told that it is of the endpoint's own product.
    pub fn is_told(&self, catalogue: &Catalogue) -> bool {
        let own = catalogue.endpoint(self.endpoint);
        self.by_path && own.is_some_and(|own| is_one_product(own, catalogue))
    }

    /// How far the record is to be trusted: the first rule that fits, as `docs/records.md` lists them.
    pub(super) fn confidence(&self, role: Role, catalogue: &Catalogue) -> Confidence {
        let contact = &self.contact;
        if catalogue.is_source_at(contact.endpoint, contact.server) {
            // The configuration says what this server is: no name has to.
            return Confidence::High;
        }
        let own = catalogue.endpoint(self.endpoint);
        let is_told = self.by_path && !self.is_by_burst_alone();
        let is_shared = own.is_some_and(|own| own.shared_host) && !is_told;
        let differs = self.is_doubtful || !self.others(catalogue).is_empty();
        // What such servers give may be anything; a client that asked for updates elsewhere most likely got one.
        let is_vague = role == Role::Download
            && self.payloads.is_empty()
            && (is_shared || self.has_unnamed)
            && !self.is_supported;
        let is_elsewhere = self.has_elsewhere || contact.is_elsewhere;
        let is_weak = is_shared || self.has_unnamed || self.by_volume || is_elsewhere;
        let is_file_unseen = self.has_unseen && role == Role::Download;
        let is_unseen = is_file_unseen || (self.has_unanswered && !self.has_response);
        let has_missing = self.missing().is_some_and(|missing| missing > 0);
        let is_by_size = self.verdict(role) == Verdict::Downloaded && has_missing;
        let is_open = is_unseen || is_by_size || self.files.are_doubtful();
        let may_have_fetched = self.may_have_fetched(role);
        match self.source {
            NameSource::DnsShared => Confidence::Low,
            _ if differs || is_vague => Confidence::Low,
            _ if may_have_fetched && self.is_blind => Confidence::Low,
            NameSource::Dns | NameSource::Address => Confidence::Medium,
            _ if !self.corroborated || is_weak || is_open || may_have_fetched => Confidence::Medium,
            _ if self.is_another(catalogue) || !self.beside(role, catalogue).is_empty() => {
                Confidence::Medium
            }
            _ => Confidence::High,
        }
    }

    /// Whether a large burst over TLS or QUIC makes it a download, whatever a path says of another exchange.
    fn is_by_burst_alone(&self) -> bool {
        self.burst_download && self.unplaced == 0 && self.files.is_empty()
    }

    /// Whether another access of the client made it one of another product.
    fn is_another(&self, catalogue: &Catalogue) -> bool {
        let product = |id| catalogue.endpoint(id).map(|endpoint| endpoint.product);
        self.decided
            .is_some_and(|decided| product(decided) != product(self.endpoint))
    }

    /// Other products that it may be of: of other live names of the server, and those that the catalogue names.
    fn others(&self, catalogue: &Catalogue) -> Vec<Named> {
        let own = catalogue.endpoint(self.endpoint);
        let differs = |other: &&Endpoint| own.is_none_or(|own| own.product != other.product);
        let names = self.contact.alternatives.iter();
        let names = names.filter_map(|id| catalogue.endpoint(*id));
        let by_name = names
            .filter(differs)
            .filter_map(|other| named(other, catalogue));
        let is_open = self.decided.is_none() && !self.is_told(catalogue);
        let by_catalogue = own.filter(|_| is_open).map(|own| own.alternatives.clone());
        by_name.chain(by_catalogue.into_iter().flatten()).collect()
    }

    /// Products that ask the server too, or whose files it gives: a path would have told which.
    fn beside(&self, role: Role, catalogue: &Catalogue) -> Vec<Named> {
        let is_open = self.decided.is_none() && !self.by_path;
        let own = catalogue.endpoint(self.endpoint).filter(|_| is_open);
        let paths = own.into_iter().flat_map(|own| &own.paths);
        let alike = paths.filter(|rule| rule.role == role);
        let led = alike.filter_map(|rule| catalogue.endpoint(rule.leads_to?));
        let differs = |other: &&Endpoint| own.is_some_and(|own| own.product != other.product);
        led.filter(differs)
            .filter_map(|other| named(other, catalogue))
            .collect()
    }

    /// The first few of all of them.
    pub(super) fn alternatives(&self, role: Role, catalogue: &Catalogue) -> Vec<Named> {
        const MOST: usize = 3;
        let mut all = Vec::new();
        for other in self
            .others(catalogue)
            .into_iter()
            .chain(self.beside(role, catalogue))
        {
            if all.len() < MOST && !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }
}

/// A vendor's id and a product's.
type Named = (String, String);

fn named(endpoint: &Endpoint, catalogue: &Catalogue) -> Option<Named> {
    let product = catalogue.product(endpoint.product)?;
    Some((product.vendor.clone(), product.id.clone()))
}

/// Whether an endpoint's product is told: it stands for no others.
fn is_one_product(endpoint: &Endpoint, catalogue: &Catalogue) -> bool {
    let product = catalogue.product(endpoint.product);
    !product.is_some_and(Product::is_unknown)
}
