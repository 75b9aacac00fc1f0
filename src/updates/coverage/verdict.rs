//! What hid traffic of a client in an hour, and what follows from it.
//!
//! A word says that something was there; the verdict says whether it matters: traffic that is hidden in part leaves some updates to be
//! seen, traffic that is hidden as a whole leaves none.

use std::time::Duration;

use super::sums::{Sign, Sums};

/// A whole, in thousandths of a percent.
const WHOLE: u64 = 100_000;
/// A loss is believed from so many holes on: in a few segments one that is missing is many percent.
const LEAST_GAPS: i64 = 3;

/// What hid traffic from the sensor. The order is that of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blind {
    /// DNS over HTTPS at a known resolver.
    Doh,
    /// DNS over TLS or QUIC.
    Dot,
    /// Encrypted ClientHello was accepted.
    Ech,
    /// A tunnel that is not looked into.
    Vpn,
    /// Requests to a proxy.
    Proxy,
    /// A configured source of the campus was used.
    InternalSource,
    /// What is likely a source of the campus was used.
    InternalSourceLikely,
    /// Parts of updates came from other clients.
    PeerCache,
    /// Packets were lost on the way to the sensor.
    Loss,
    /// What the client sends is not on the mirror.
    NoClientSide,
    /// What servers send is not on the mirror.
    NoServerSide,
    /// No lookup of the client is on the mirror, and flows have no name.
    NoQueries,
    /// Flows have no name, and their lookups may have come before the start.
    WarmUp,
    /// The sensor did not run all of the hour.
    NotRunning,
    /// MAC addresses of others are known, not the client's: whatever had its address counts for it.
    NoBinding,
    /// Several hosts have the address (NAT).
    ManyHosts,
}

/// Whether silence about updates means that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoverageVerdict {
    /// What the client did was seen.
    Complete,
    /// A part of it may not have been.
    Partial,
    /// An update would not have been seen.
    CannotTell,
}

/// From where on what is hidden counts, in thousandths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, or frames, that were lost.
    pub loss: u32,
    /// Flows of which one side is missing.
    pub onesided: u32,
    /// Bytes toward the client that a tunnel carries.
    pub vpn: u32,
    /// Flows under an accepted Encrypted ClientHello that nothing names.
    pub hidden: u32,
    /// The sensor did not run for so long of an hour: a part may not have been seen.
    pub away_partial: Duration,
    /// For so long: nothing can be told.
    pub away: Duration,
}

/// What of an hour was not seen of anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// The sensor did not run for so long.
    pub away: Duration,
    /// Frames that the rings had no room for.
    pub dropped: u64,
    /// Frames in all.
    pub frames: u64,
}

/// What an hour of a client comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What hid traffic.
    pub blind: Vec<Blind>,
    /// See [`super::HourOfClient::loss`].
    pub loss: u32,
    /// See [`super::HourOfClient::onesided`].
    pub onesided: u32,
    /// What follows.
    pub verdict: CoverageVerdict,
}

impl Blind {
    /// Every word, in order.
    pub const ALL: [Self; 16] = [
        Self::Doh,
        Self::Dot,
        Self::Ech,
        Self::Vpn,
        Self::Proxy,
        Self::InternalSource,
        Self::InternalSourceLikely,
        Self::PeerCache,
        Self::Loss,
        Self::NoClientSide,
        Self::NoServerSide,
        Self::NoQueries,
        Self::WarmUp,
        Self::NotRunning,
        Self::NoBinding,
        Self::ManyHosts,
    ];

    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Doh => "doh",
            Self::Dot => "dot",
            Self::Ech => "ech",
            Self::Vpn => "vpn",
            Self::Proxy => "proxy",
            Self::InternalSource => "internal_source",
            Self::InternalSourceLikely => "internal_source_likely",
            Self::PeerCache => "peer_cache",
            Self::Loss => "loss",
            Self::NoClientSide => "no_client_side",
            Self::NoServerSide => "no_server_side",
            Self::NoQueries => "no_queries",
            Self::WarmUp => "warm_up",
            Self::NotRunning => "not_running",
            Self::NoBinding => "no_binding",
            Self::ManyHosts => "many_hosts",
        }
    }
}

impl CoverageVerdict {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::CannotTell => "cannot_tell",
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            loss: 5_000,
            onesided: 20_000,
            vpn: 20_000,
            hidden: 0,
            away_partial: Duration::from_secs(60),
            away: Duration::from_secs(360),
        }
    }
}

/// What an hour comes to of which a client's flows show `sums`.
pub fn judge(sums: &Sums, unseen: &Unseen, limits: &Limits) -> Judged {
    let sided =
        u64::from(sums.both_sides) + u64::from(sums.client_only) + u64::from(sums.server_only);
    let one = u64::from(sums.client_only) + u64::from(sums.server_only);
    let mut scale = Scale {
        blind: Vec::new(),
        verdict: CoverageVerdict::Complete,
    };
    let lost = share(u64::try_from(sums.unseen).unwrap_or(0), sums.payload);
    let dropped = share(unseen.dropped, unseen.frames);
    let believed = if sums.gaps < LEAST_GAPS { 0 } else { lost }.max(dropped);
    scale.signs(sums);
    scale.hidden(sums, limits);
    if believed > 0 {
        scale.note(
            Blind::Loss,
            believed > limits.loss,
            CoverageVerdict::CannotTell,
        );
    }
    scale.sides(sums, sided, limits);
    if unseen.away > Duration::ZERO {
        scale.note(
            Blind::NotRunning,
            unseen.away > limits.away_partial,
            CoverageVerdict::Partial,
        );
        scale.weigh(unseen.away > limits.away, CoverageVerdict::CannotTell);
    }
    scale.blind.sort_unstable();
    Judged {
        blind: scale.blind,
        loss: lost.max(dropped),
        onesided: share(one, sided),
        verdict: scale.verdict,
    }
}

/// Words so far, and the worst that they come to.
struct Scale {
    blind: Vec<Blind>,
    verdict: CoverageVerdict,
}

impl Scale {
    /// `word` is told; where it `matters`, the verdict is no better than `verdict`.
    fn note(&mut self, word: Blind, matters: bool, verdict: CoverageVerdict) {
        self.blind.push(word);
        self.weigh(matters, verdict);
    }

    fn weigh(&mut self, matters: bool, verdict: CoverageVerdict) {
        if matters {
            self.verdict = self.verdict.max(verdict);
        }
    }

    /// What was there, and hides nothing by itself.
    fn signs(&mut self, sums: &Sums) {
        let words = [
            (Sign::Doh, Blind::Doh),
            (Sign::Dot, Blind::Dot),
            (Sign::Ech, Blind::Ech),
            (Sign::Proxy, Blind::Proxy),
            (Sign::Internal, Blind::InternalSource),
            (Sign::Peer, Blind::PeerCache),
        ];
        for (sign, word) in words {
            if sums.signs.has(sign) {
                self.blind.push(word);
            }
        }
        let is_cached = sums.signs.has(Sign::Locator) && sums.signs.has(Sign::NearFile);
        if sums.signs.has(Sign::InternalLikely) || is_cached {
            self.blind.push(Blind::InternalSourceLikely);
        }
    }

    /// Names under an accepted ECH that nobody asked for by plain DNS, and all that a tunnel carries.
    fn hidden(&mut self, sums: &Sums, limits: &Limits) {
        let hidden = share(sums.hidden.into(), sums.flows.into());
        self.weigh(hidden > limits.hidden, CoverageVerdict::CannotTell);
        if sums.signs.has(Sign::Vpn) {
            let carried = share(sums.tunnel_bytes, sums.bytes_toclient);
            self.note(
                Blind::Vpn,
                carried > limits.vpn,
                CoverageVerdict::CannotTell,
            );
        }
    }

    /// Which directions are there, and what names flows.
    fn sides(&mut self, sums: &Sums, sided: u64, limits: &Limits) {
        let is_missing = |flows: u32| share(flows.into(), sided) > limits.onesided;
        let no_client_side = is_missing(sums.server_only);
        if no_client_side {
            self.note(Blind::NoClientSide, true, CoverageVerdict::CannotTell);
        }
        if is_missing(sums.client_only) {
            self.note(Blind::NoServerSide, true, CoverageVerdict::Partial);
        }
        // Without what the client sends there is neither a lookup nor a name: that is said already.
        if sums.queries == 0 && sums.nameless > 0 && !no_client_side {
            self.note(Blind::NoQueries, true, CoverageVerdict::Partial);
        }
        if sums.early > 0 && !no_client_side {
            self.note(Blind::WarmUp, true, CoverageVerdict::Partial);
        }
    }
}

/// A part of a whole in thousandths of a percent; never more than all, and not zero where there is something.
fn share(part: u64, whole: u64) -> u32 {
    if part == 0 || whole == 0 {
        return 0;
    }
    let share = u128::from(part.min(whole)) * u128::from(WHOLE) / u128::from(whole);
    (share as u32).max(1)
}
#[cfg(test)]
mod tests {
    use super::*;

    fn judged(sums: &Sums) -> (CoverageVerdict, Vec<&'static str>) {
        judged_with(sums, &Unseen::default())
    }

    fn judged_with(sums: &Sums, unseen: &Unseen) -> (CoverageVerdict, Vec<&'static str>) {
        let judged = judge(sums, unseen, &Limits::default());
        let words = judged.blind.iter().map(|word| word.as_str());
        (judged.verdict, words.collect())
    }

    fn with(signs: &[Sign]) -> Sums {
        let mut sums = Sums {
            flows: 100,
            both_sides: 100,
            queries: 10,
            bytes_toclient: 1_000,
            ..Sums::default()
        };
        signs.iter().for_each(|sign| sums.signs.add(*sign));
        sums
    }

    #[test]
    fn what_is_there_and_hides_nothing_is_a_remark() {
        assert_eq!(judged(&with(&[])), (CoverageVerdict::Complete, vec![]));
        let all = [
            Sign::Doh,
            Sign::Dot,
            Sign::Ech,
            Sign::Proxy,
            Sign::Internal,
            Sign::InternalLikely,
            Sign::Peer,
        ];
        let words = vec![
            "doh",
            "dot",
            "ech",
            "proxy",
            "internal_source",
            "internal_source_likely",
            "peer_cache",
        ];
        assert_eq!(judged(&with(&all)), (CoverageVerdict::Complete, words));
    }

    #[test]
    fn a_cache_is_likely_where_one_was_asked_for_and_something_near_gave_a_file() {
        assert_eq!(judged(&with(&[Sign::Locator])).1, [""; 0]);
        assert_eq!(judged(&with(&[Sign::NearFile])).1, [""; 0]);
        let both = with(&[Sign::Locator, Sign::NearFile]);
        assert_eq!(judged(&both).1, ["internal_source_likely"]);
    }

    #[test]
    fn one_hidden_name_is_enough() {
        let sums = Sums {
            hidden: 1,
            ..with(&[Sign::Ech, Sign::Doh])
        };
        let expected = (CoverageVerdict::CannotTell, vec!["doh", "ech"]);
        assert_eq!(judged(&sums), expected);
    }

    #[test]
    fn a_tunnel_counts_by_what_it_carries() {
        let carried = |tunnel_bytes| Sums {
            tunnel_bytes,
            ..with(&[Sign::Vpn])
        };
        assert_eq!(
            judged(&carried(200)),
            (CoverageVerdict::Complete, vec!["vpn"])
        );
        assert_eq!(
            judged(&carried(201)),
            (CoverageVerdict::CannotTell, vec!["vpn"])
        );
    }

    #[test]
    fn loss_counts_above_its_limit_and_from_some_holes_on() {
        let lost = |unseen, gaps| Sums {
            payload: 1_000,
            unseen,
            gaps,
            ..with(&[])
        };
        assert_eq!(
            judged(&lost(50, 3)),
            (CoverageVerdict::Complete, vec!["loss"])
        );
        assert_eq!(
            judged(&lost(51, 3)),
            (CoverageVerdict::CannotTell, vec!["loss"])
        );
        assert_eq!(judged(&lost(900, 2)), (CoverageVerdict::Complete, vec![]));
        assert_eq!(judged(&lost(-5, 3)), (CoverageVerdict::Complete, vec![]));
        let few = judge(&lost(900, 2), &Unseen::default(), &Limits::default());
        assert_eq!(few.loss, 90_000, "the figure is told all the same");
        let rings = |dropped| Unseen {
            dropped,
            frames: 100,
            ..Unseen::default()
        };
        assert_eq!(
            judged_with(&with(&[]), &rings(5)).0,
            CoverageVerdict::Complete
        );
        let expected = (CoverageVerdict::CannotTell, vec!["loss"]);
        assert_eq!(judged_with(&with(&[]), &rings(6)), expected);
    }

    #[test]
    fn a_side_that_is_missing_counts_by_what_it_would_have_shown() {
        let sides = |client_only, server_only| Sums {
            client_only,
            server_only,
            nameless: 5,
            early: 5,
            ..Sums {
                queries: 0,
                both_sides: 10,
                ..with(&[])
            }
        };
        let expected = (CoverageVerdict::CannotTell, vec!["no_client_side"]);
        assert_eq!(judged(&sides(0, 3)), expected);
        let words = vec!["no_server_side", "no_queries", "warm_up"];
        assert_eq!(judged(&sides(3, 0)), (CoverageVerdict::Partial, words));
        let judged = judge(&sides(1, 1), &Unseen::default(), &Limits::default());
        assert_eq!(judged.onesided, 16_666);
    }

    #[test]
    fn flows_without_a_name_count_where_lookups_are_missing_or_may_have_come_before() {
        let nameless = |queries, early| Sums {
            nameless: 1,
            early,
            queries,
            ..with(&[])
        };
        assert_eq!(judged(&nameless(1, 0)), (CoverageVerdict::Complete, vec![]));
        assert_eq!(
            judged(&nameless(0, 0)),
            (CoverageVerdict::Partial, vec!["no_queries"])
        );
        assert_eq!(
            judged(&nameless(1, 1)),
            (CoverageVerdict::Partial, vec!["warm_up"])
        );
        let named = Sums {
            queries: 0,
            ..with(&[])
        };
        assert_eq!(
            judged(&named).0,
            CoverageVerdict::Complete,
            "names are claimed"
        );
    }

    #[test]
    fn an_hour_without_the_sensor_counts_by_how_long_it_was() {
        let away = |seconds| Unseen {
            away: Duration::from_secs(seconds),
            ..Unseen::default()
        };
        let verdicts =
            [0, 60, 61, 360, 361].map(|seconds| judged_with(&with(&[]), &away(seconds)).0);
        use CoverageVerdict::{CannotTell, Complete, Partial};
        assert_eq!(verdicts, [Complete, Complete, Partial, Partial, CannotTell]);
        assert_eq!(judged_with(&with(&[]), &away(1)).1, ["not_running"]);
    }

    #[test]
    fn shares_are_of_the_whole_and_never_more() {
        assert_eq!(share(0, 0), 0);
        assert_eq!(share(1, u64::MAX), 1);
        assert_eq!(share(3, 2), 100_000);
        assert_eq!(share(u64::MAX, u64::MAX), 100_000);
    }

    #[test]
    fn words_are_a_closed_list_in_order() {
        let mut sorted = Blind::ALL.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, Blind::ALL);
    }
}
