//! Whether names can be tied to clients, and who the clients are.

use super::super::figures::{Figures, ppm};
use super::{ASKING_PPM, CLIENTS_A_RESOLVER, FEW_CLIENTS, percent, rule};
use crate::records::doctor::{Finding, State};

pub(super) fn dns_seen(figures: &Figures) -> Finding {
    let rule = rule("dns-seen");
    if let Some(little) = rule.too_little(figures.flows.connections) {
        return little;
    }
    let messages = figures.names.queries + figures.names.responses;
    if messages >= rule.threshold {
        return rule.good(messages, format!("{messages} DNS messages"));
    }
    let said = format!("no DNS beside {} connections", figures.flows.connections);
    let step = "mirror the link between clients and their resolver too, as a second interface of one sensor; where clients use DNS over \
                HTTPS or TLS, server names in TLS and QUIC are all that is left; DNS on another port is named by `ports` in [dns]";
    rule.found(State::Degraded, messages, said, step)
}

pub(super) fn dns_unanswered(figures: &Figures) -> Finding {
    let rule = rule("dns-unanswered");
    let names = &figures.names;
    if let Some(little) = rule.too_little(names.queries) {
        return little;
    }
    let share = ppm(names.unanswered(), names.queries);
    let said = format!("{} of the DNS queries have no answer", percent(share));
    let step = "mirror what comes back from the resolver too: both directions, and every link that leads to it";
    rule.by_threshold(share, said, step)
}

pub(super) fn dns_unasked(figures: &Figures) -> Finding {
    let rule = rule("dns-unasked");
    let names = &figures.names;
    if let Some(little) = rule.too_little(names.responses) {
        return little;
    }
    let share = ppm(names.unasked, names.responses);
    let said = format!(
        "{} of the DNS responses have no query, and teach no names",
        percent(share)
    );
    let step = "mirror what clients send to the resolver too; where that cannot be, name your resolvers by `resolvers` in [dns]";
    rule.by_threshold(share, said, step)
}

pub(super) fn resolver_side(figures: &Figures) -> Finding {
    let rule = rule("resolver-side");
    let askers = &figures.askers;
    if let Some(little) = rule.too_little(askers.questions) {
        return little;
    }
    if askers.connecting < FEW_CLIENTS {
        let said = format!(
            "too little seen to judge: {} clients with connections, at least {FEW_CLIENTS} are needed",
            askers.connecting
        );
        return rule.unjudged(said);
    }
    let share = ppm(askers.questions_of_resolvers, askers.questions);
    let asking = ppm(askers.connecting_and_asking, askers.connecting);
    let said = format!(
        "{} of the DNS questions come from {} addresses that open no connections; {} of the {} clients that do ask themselves",
        percent(share),
        askers.resolvers,
        percent(asking),
        askers.connecting
    );
    let are_few = askers.resolvers * CLIENTS_A_RESOLVER <= askers.connecting;
    if share < rule.threshold || asking >= ASKING_PPM || !are_few {
        return rule.good(share, said);
    }
    let step = "the mirror lies behind the resolver, so names cannot be tied to clients: mirror the link between clients and resolver too";
    rule.found(State::Degraded, share, said, step)
}

pub(super) fn named_flows(figures: &Figures) -> Finding {
    let rule = rule("named-flows");
    let names = &figures.names;
    let flows = names.named + names.unnamed;
    if let Some(little) = rule.too_little(flows) {
        return little;
    }
    let share = ppm(names.named, flows);
    let said = format!("{} of {flows} flows have a name", percent(share));
    if share >= rule.threshold {
        return rule.good(share, said);
    }
    let step = "look longer: names resolved before the beginning are unknown; if it stays so, see one-sided, dns-seen and resolver-side";
    rule.found(State::Note, share, said, step)
}

pub(super) fn clients(figures: &Figures) -> Finding {
    let rule = rule("clients");
    let all = figures.flows.connections;
    if let Some(little) = rule.too_little(all) {
        return little;
    }
    let networks = &figures.networks;
    let said = format!(
        "{all} connections; prefixes of their clients: {}",
        networks.said()
    );
    Finding {
        state: State::Good,
        step: networks.step(),
        prefixes: networks.shares(),
        ..rule.unjudged(said)
    }
}
